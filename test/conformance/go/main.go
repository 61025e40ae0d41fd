// The conformance cases of the Storage Write API through Google's Go clients, as a program: it takes the addresses of a running
// emulator, runs every case on tables of its own, and prints one line of JSON per case. go.test.ts makes tests of the lines.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// A case waits for nothing longer than this, retries of the clients included.
const caseTimeout = 30 * time.Second

// Cases side by side: most of their time is waiting for answers.
const concurrency = 6

type conformanceCase struct {
	name string
	run  func(t *T)
}

type result struct {
	Name   string `json:"name"`
	Ok     bool   `json:"ok"`
	Detail string `json:"detail"`
	Ms     int64  `json:"ms"`
}

func main() {
	grpc := flag.String("grpc", "", "host:port of the Write API")
	rest := flag.String("rest", "", "http://host:port of REST v2")
	idleGrpc := flag.String("idle-grpc", "", "host:port of an emulator that soon closes idle calls")
	idleRest := flag.String("idle-rest", "", "its http://host:port")
	project := flag.String("project", "p", "project")
	dataset := flag.String("dataset", "d", "data set, which must exist")
	only := flag.String("only", "", "run the cases whose name contains this")
	flag.Parse()

	ctx := context.Background()
	main, err := dial(ctx, *grpc, *rest, *project, *dataset)
	if err == nil && *idleGrpc != "" {
		main.idle, err = dial(ctx, *idleGrpc, *idleRest, *project, *dataset)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	themes := [][]conformanceCase{streamCases, appendCases, rowCases, valueCases, commitCases, schemaCases, faultCases, restCases}
	places := make(chan struct{}, concurrency)
	var running, printing sync.WaitGroup
	results := make(chan result)
	printing.Go(func() {
		for result := range results {
			line, _ := json.Marshal(result)
			fmt.Println(string(line))
		}
	})
	for _, theme := range themes {
		for _, one := range theme {
			if !strings.Contains(one.name, *only) {
				continue
			}
			places <- struct{}{}
			running.Go(func() {
				results <- runCase(ctx, main, one)
				<-places
			})
		}
	}
	running.Wait()
	for _, one := range knobCases {
		if strings.Contains(one.name, *only) {
			results <- runCase(ctx, main, one)
		}
	}
	close(results)
	printing.Wait()
}

func runCase(ctx context.Context, clients *clients, one conformanceCase) result {
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	t := &T{ctx: ctx, clients: clients}
	done := make(chan struct{})
	// Of its own, because a failed check ends the goroutine.
	go func() {
		defer close(done)
		defer t.cleanUp()
		defer func() {
			if cause := recover(); cause != nil {
				t.failures = append(t.failures, fmt.Sprint("panic: ", cause))
			}
		}()
		one.run(t)
	}()
	select {
	case <-done:
	case <-time.After(caseTimeout + 5*time.Second):
		return result{one.name, false, "the case did not end", time.Since(started).Milliseconds()}
	}
	return result{one.name, len(t.failures) == 0, strings.Join(t.failures, "\n"), time.Since(started).Milliseconds()}
}
