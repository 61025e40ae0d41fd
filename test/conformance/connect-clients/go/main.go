// Every call of ricardo-ch/go-kafka-connect (the client of Terraform's provider) against a worker; one JSON line a case:
// {"name", "ok", "detail"}. Arguments: URL NAME CONFIG.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/ricardo-ch/go-kafka-connect/v3/lib/connectors"
)

const patience = 60 * time.Second

type driver struct {
	client connectors.HighLevelClient
	name   string
	config map[string]interface{}
}

type check struct {
	name string
	run  func(*driver)
}

var cases = []check{
	{"a connector is created and waited for", (*driver).create},
	{"connector, config, status and tasks are read", (*driver).read},
	{"the config counts as applied: the same keys and values, and the name", (*driver).upToDate},
	{"it is paused and resumed, waiting for each", (*driver).pauseResume},
	{"connector and task are restarted", (*driver).restart},
	{"a changed config is applied and waited for", (*driver).update},
	{"several connectors are deployed at once, new ones and unchanged ones", (*driver).deploy},
	{"what is not there is 404 by code", (*driver).missing},
	{"a wrong config is refused", (*driver).refused},
	{"it is deleted and waited for", (*driver).remove},
}

func main() {
	d := &driver{client: connectors.NewClient(os.Args[1]), name: os.Args[2]}
	if err := json.Unmarshal([]byte(os.Args[3]), &d.config); err != nil {
		panic(err)
	}
	out := json.NewEncoder(os.Stdout)
	for _, c := range cases {
		detail := attempt(c.run, d)
		_ = out.Encode(map[string]interface{}{"name": c.name, "ok": detail == "", "detail": detail})
	}
}

func attempt(run func(*driver), d *driver) (detail string) {
	defer func() {
		if p := recover(); p != nil {
			detail = fmt.Sprint(p)
		}
	}()
	run(d)
	return ""
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func expect(isSo bool, format string, args ...interface{}) {
	if !isSo {
		panic(fmt.Sprintf(format, args...))
	}
}

func (d *driver) self() connectors.ConnectorRequest { return connectors.ConnectorRequest{Name: d.name} }

func (d *driver) request(over map[string]interface{}) connectors.CreateConnectorRequest {
	config := map[string]interface{}{"name": d.name}
	for _, part := range []map[string]interface{}{d.config, over} {
		for key, value := range part {
			config[key] = value
		}
	}
	return connectors.CreateConnectorRequest{ConnectorRequest: d.self(), Config: config}
}

func (d *driver) untilTasks(state string, count int) {
	deadline := time.Now().Add(patience)
	for {
		status := must(d.client.GetConnectorStatus(d.self()))
		matching := 0
		for _, task := range status.TasksStatus {
			if task.State == state {
				matching++
			}
		}
		if status.ConnectorStatus["state"] == state && matching == count && len(status.TasksStatus) == count {
			return
		}
		expect(time.Now().Before(deadline), "waited in vain for %d tasks %s: %+v", count, state, status)
		time.Sleep(100 * time.Millisecond)
	}
}

func (d *driver) create() {
	answer := must(d.client.CreateConnector(d.request(nil), true))
	expect(answer.Code == 201 && answer.Name == d.name, "created: %+v", answer)
	all := must(d.client.GetAll())
	sort.Strings(all.Connectors)
	i := sort.SearchStrings(all.Connectors, d.name)
	expect(i < len(all.Connectors) && all.Connectors[i] == d.name, "listed: %v", all.Connectors)
	d.untilTasks("RUNNING", 2)
}

func (d *driver) read() {
	info := must(d.client.GetConnector(d.self()))
	expect(info.Code == 200 && len(info.Tasks) == 2, "info: %+v", info)
	config := must(d.client.GetConnectorConfig(d.self()))
	expect(len(config.Config) == len(d.config)+1, "config: %v", config.Config)
	status := must(d.client.GetConnectorStatus(d.self()))
	expect(status.ConnectorStatus["worker_id"] != "", "status: %+v", status)
	tasks := must(d.client.GetAllTasks(d.self()))
	expect(len(tasks.Tasks) == 2 && tasks.Tasks[1].ID.TaskID == 1, "tasks: %+v", tasks)
	one := must(d.client.GetTaskStatus(connectors.TaskRequest{Connector: d.name, TaskID: 1}))
	expect(one.Code == 200, "task status: %+v", one)
}

func (d *driver) upToDate() {
	expect(must(d.client.IsUpToDate(d.name, d.request(nil).Config)), "the very same config is not up to date")
	changed := d.request(map[string]interface{}{"append.linger.ms": "7"})
	expect(!must(d.client.IsUpToDate(d.name, changed.Config)), "another config is up to date")
}

func (d *driver) pauseResume() {
	paused := must(d.client.PauseConnector(d.self(), true))
	expect(paused.Code == 202, "paused: %+v", paused)
	d.untilTasks("PAUSED", 2)
	resumed := must(d.client.ResumeConnector(d.self(), true))
	expect(resumed.Code == 202, "resumed: %+v", resumed)
	d.untilTasks("RUNNING", 2)
}

func (d *driver) restart() {
	expect(must(d.client.RestartConnector(d.self())).Code == 204, "restart")
	task := connectors.TaskRequest{Connector: d.name, TaskID: 0}
	expect(must(d.client.RestartTask(task)).Code == 204, "restart of a task")
	d.untilTasks("RUNNING", 2)
}

func (d *driver) update() {
	changed := d.request(map[string]interface{}{"tasks.max": 1})
	answer := must(d.client.UpdateConnector(changed, true))
	expect(answer.Code == 200 && len(answer.Tasks) == 1, "updated: %+v", answer)
	d.untilTasks("RUNNING", 1)
}

func (d *driver) deploy() {
	unchanged := d.request(map[string]interface{}{"tasks.max": "1"})
	other := d.request(nil)
	other.Name = d.name + "_other"
	other.Config["name"] = other.Name
	d.client.SetParallelism(2)
	if err := d.client.DeployMultipleConnector([]connectors.CreateConnectorRequest{unchanged, other}); err != nil {
		panic(err)
	}
	info := must(d.client.GetConnector(other.ConnectorRequest))
	expect(info.Code == 200, "deployed: %+v", info)
	must(d.client.DeleteConnector(other.ConnectorRequest, true))
}

func (d *driver) missing() {
	none := connectors.ConnectorRequest{Name: "no such/connector"}
	expect(must(d.client.GetConnector(none)).Code == 404, "connector")
	expect(must(d.client.GetConnectorConfig(none)).Code == 404, "config")
	expect(must(d.client.GetConnectorStatus(none)).Code == 404, "status")
	_, err := d.client.DeleteConnector(none, false)
	expect(err != nil, "deleted what is not there")
}

func (d *driver) refused() {
	_, err := d.client.CreateConnector(d.request(map[string]interface{}{"tasks.max": "many"}), false)
	expect(err != nil, "a wrong config was taken")
	_, err = d.client.UpdateConnector(d.request(map[string]interface{}{"topics": ""}), false)
	expect(err != nil, "a wrong config was taken")
}

func (d *driver) remove() {
	answer := must(d.client.DeleteConnector(d.self(), true))
	expect(answer.Code == 204, "deleted: %+v", answer)
	expect(must(d.client.GetConnector(d.self())).Code == 404, "it is still there")
}
