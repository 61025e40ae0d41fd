// How the HTTP libraries under Kafka Connect's clients put a request on the wire: their header lines, in their order. Calls and
// bodies are read in the clients' sources, header lines in those of their libraries; which and at what version: ../README.md.
import { HOST, type Recording } from './wire.ts'

type Body = string | undefined
const lengthOf = (body: string): string => `Content-Length: ${Buffer.byteLength(body)}`
/** Most libraries say the length of a body, and of none where the method has one as a rule. */
function writtenLength(request: string, body: Body): readonly string[] {
  if (body !== undefined) return [lengthOf(body)]
  return /^(?:PUT|POST|PATCH) /.test(request) ? ['Content-Length: 0'] : []
}
const withBody = (line: string, headers: readonly string[], body: Body): Recording =>
  body === undefined ? { line, headers } : { line, headers, body }

/** kcctl: Quarkus REST client (RESTEasy over Apache HttpClient). A body is a String, so its type is JSON by annotation only. */
export const kcctl = (request: string, body?: string): Recording =>
  resteasy(request, body, 'Apache-HttpClient/4.5.14 (Java/21.0.4)')

/** jikkou: RESTEasy 6.2 over Apache HttpClient, bodies by Jackson. */
export const jikkou = (request: string, body?: string): Recording =>
  resteasy(request, body, 'Apache-HttpClient/4.5.14 (Java/25.0.1)')

function resteasy(request: string, body: Body, agent: string): Recording {
  const type = body === undefined ? [] : ['Content-Type: application/json']
  return withBody(
    `${request} HTTP/1.1`,
    [
      'Accept: application/json',
      ...type,
      ...writtenLength(request, body),
      `Host: ${HOST}`,
      'Connection: Keep-Alive',
      `User-Agent: ${agent}`,
    ],
    body,
  )
}

/** kafbat/kafka-ui: Spring WebClient on Reactor Netty; header names in lower case. */
export function kafbat(request: string, body?: string): Recording {
  const type = body === undefined ? [] : ['content-type: application/json']
  const length = writtenLength(request, body).map(line => line.toLowerCase())
  return withBody(
    `${request} HTTP/1.1`,
    ['user-agent: ReactorNetty/1.2.9', `host: ${HOST}`, 'accept: application/json', ...type, ...length],
    body,
  )
}

/** Redpanda Console: cloudhut/connect-client on resty. JSON content type on every call, with a body or without. */
export function redpandaConsole(request: string, body?: string): Recording {
  return goRequest(request, body, [
    'User-Agent: CloudHut-Connect-Client',
    'Accept: application/json',
    'Content-Type: application/json',
  ])
}

/** Terraform (Mongey) and kafka-connect-cli: ricardo-ch/go-kafka-connect on resty. A type only where there is a body. */
export function ricardo(request: string, body?: string): Recording {
  const type = body === undefined ? [] : ['Content-Type: application/json']
  return goRequest(request, body, [
    'User-Agent: go-resty/1.12.0 (https://github.com/go-resty/resty)',
    'Accept: application/json',
    ...type,
  ])
}

/** Go's net/http: Host, User-Agent, length, the others by name, and gzip of its own accord. */
function goRequest(request: string, body: Body, [agent = '', ...others]: readonly string[]): Recording {
  const length = writtenLength(request, body)
  return withBody(`${request} HTTP/1.1`, [`Host: ${HOST}`, agent, ...length, ...others, 'Accept-Encoding: gzip'], body)
}

/** AKHQ: SourceLab's client on Apache HttpClient 4. JSON content type always; PUT and POST without a payload send `null`. */
export function akhq(request: string, body = 'null'): Recording {
  const isWrite = /^(?:PUT|POST) /.test(request)
  const length = isWrite ? [lengthOf(body)] : []
  return withBody(
    `${request} HTTP/1.1`,
    [
      'Accept: application/json',
      'Content-Type: application/json',
      ...length,
      `Host: ${HOST}`,
      'Connection: Keep-Alive',
      'User-Agent: Apache-HttpClient/4.5.13 (Java/17.0.12)',
      'Accept-Encoding: gzip,deflate',
    ],
    isWrite ? body : undefined,
  )
}

/** Lenses' kafka-connect-ui: a browser, behind the Caddy proxy that comes with it. */
export function lenses(request: string, body?: string): Recording {
  const type = body === undefined ? [] : ['Content-Type: application/json']
  const length = writtenLength(request, body)
  return withBody(
    `${request} HTTP/1.1`,
    [
      `Host: ${HOST}`,
      `User-Agent: ${CHROME}`,
      ...length,
      'Accept: application/json, text/plain, */*',
      'Accept-Encoding: gzip, deflate',
      'Accept-Language: en-US,en;q=0.9',
      ...type,
      'X-Forwarded-For: 172.18.0.1',
    ],
    body,
  )
}

/** Where Debezium UI's own pages come from. */
export const DEBEZIUM_ORIGIN = 'http://localhost:9000'
const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'

/** Debezium UI: axios in a browser, straight to the worker from a page of another origin. What it PUTs and POSTs has a body always. */
export function debezium(request: string, body?: string): Recording {
  const isWrite = /^(?:PUT|POST) /.test(request)
  const sent = isWrite ? (body ?? '{}') : undefined
  return withBody(
    `${request} HTTP/1.1`,
    [
      `Host: ${HOST}`,
      'Connection: keep-alive',
      ...(sent === undefined ? [] : [lengthOf(sent)]),
      'sec-ch-ua: "Chromium";v="126"',
      request.startsWith('GET ') ? 'Accept: application/json' : 'Accept: application/json, text/plain, */*',
      ...(sent === undefined ? [] : ['Content-Type: application/json']),
      'sec-ch-ua-mobile: ?0',
      `User-Agent: ${CHROME}`,
      'sec-ch-ua-platform: "Linux"',
      ...fromAnotherOrigin,
    ],
    sent,
  )
}
/** What the browser asks by itself before each of those that may change something. */
export const debeziumPreflight = (method: string, path: string): Recording => ({
  line: `OPTIONS ${path} HTTP/1.1`,
  headers: [
    `Host: ${HOST}`,
    'Connection: keep-alive',
    'Accept: */*',
    `Access-Control-Request-Method: ${method}`,
    ...(method === 'DELETE' ? [] : ['Access-Control-Request-Headers: content-type']),
    `User-Agent: ${CHROME}`,
    ...fromAnotherOrigin,
  ],
})
const fromAnotherOrigin: readonly string[] = [
  `Origin: ${DEBEZIUM_ORIGIN}`,
  'Sec-Fetch-Site: cross-site',
  'Sec-Fetch-Mode: cors',
  'Sec-Fetch-Dest: empty',
  `Referer: ${DEBEZIUM_ORIGIN}/`,
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-US,en;q=0.9',
]

/** Confluent Control Center is closed: the calls are known, of the header lines only what its REST reference asks clients for. */
export function controlCenter(request: string, body?: string): Recording {
  const type = body === undefined ? [] : ['Content-Type: application/json']
  const length = writtenLength(request, body)
  return withBody(`${request} HTTP/1.1`, [`Host: ${HOST}`, 'Accept: application/json', ...type, ...length], body)
}

/** Older Strimzi: Vert.x. JSON content type on DELETE too, which has no body. */
export function strimziVertx(request: string, body?: string): Recording {
  const type = body !== undefined || request.startsWith('DELETE ') ? ['Content-Type: application/json'] : []
  const length = body === undefined ? writtenLength(request, body).map(line => line.toLowerCase()) : [lengthOf(body)]
  return withBody(`${request} HTTP/1.1`, ['Accept: application/json', ...type, ...length, `host: ${HOST}`], body)
}

/** Strimzi today: the JDK's HttpClient, which offers HTTP/2 with every request in clear. */
export function strimzi(request: string, body?: string): Recording {
  const type = body !== undefined || request.startsWith('DELETE ') ? ['Content-Type: application/json'] : []
  const length = writtenLength(request, body)
  return withBody(
    `${request} HTTP/1.1`,
    [
      'Connection: Upgrade, HTTP2-Settings',
      ...length,
      `Host: ${HOST}`,
      'HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA',
      'Upgrade: h2c',
      'User-Agent: Java-http-client/21.0.4',
      'Accept: application/json',
      ...type,
    ],
    body,
  )
}

/**
 * julie (kafka-topology-builder): Java 11's HttpClient, which gives every request a length, a GET too. JSON content type always, and
 * a space too many before what it accepts.
 */
export const julie = (request: string, body?: string): Recording =>
  withBody(
    `${request} HTTP/1.1`,
    [
      'Connection: Upgrade, HTTP2-Settings',
      body === undefined ? 'Content-Length: 0' : lengthOf(body),
      `Host: ${HOST}`,
      'HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
      'Upgrade: h2c',
      'User-Agent: Java-http-client/11.0.24',
      'accept:  application/json',
      'Content-Type: application/json',
    ],
    body,
  )

/** ns4kafka: Micronaut's client on Netty. A log-in with every request (`null:null` where none is configured), a length with DELETE. */
export function ns4kafka(request: string, body?: string): Recording {
  const type = body === undefined ? [] : ['content-type: application/json']
  const length = request.startsWith('DELETE ') ? ['content-length: 0'] : writtenLength(request, body)
  return withBody(
    `${request} HTTP/1.1`,
    [
      'Authorization: Basic bnVsbDpudWxs',
      `host: ${HOST}`,
      'connection: keep-alive',
      ...type,
      ...length.map(line => line.toLowerCase()),
    ],
    body,
  )
}

/** connectctl: Go's net/http with encoding/json, which ends every body with a line feed. */
export function connectctl(request: string, body?: string): Recording {
  const type = body === undefined ? [] : ['Content-Type: application/json']
  const sent = body === undefined ? undefined : `${body}\n`
  return goRequest(request, sent, ['User-Agent: 90poe.io/connectctl/0.1.33', 'Accept: application/json', ...type])
}
/** connectctl's own liveness check: Go's client with nothing set. */
export const connectctlProbe: Recording = goRequest('GET /', undefined, ['User-Agent: Go-http-client/1.1'])

/** kafka-connect-py: requests. Python's booleans in queries; no content type where there is no body. */
export function python(request: string, body?: string): Recording {
  const isWrite = /^(?:PUT|POST|DELETE) /.test(request)
  const length = body === undefined ? (isWrite ? ['Content-Length: 0'] : []) : [lengthOf(body)]
  const type = body === undefined ? [] : ['Content-Type: application/json']
  return withBody(
    `${request} HTTP/1.1`,
    [
      `Host: ${HOST}`,
      'User-Agent: python-requests/2.32.5',
      'Accept-Encoding: gzip, deflate',
      'Accept: */*',
      'Connection: keep-alive',
      ...type,
      ...length,
    ],
    body,
  )
}

/** cp-ansible's kafka_connectors: Ansible's urllib, one connection a call, a type only where there is a body. */
export function ansible(request: string, body?: string): Recording {
  const type = body === undefined ? [] : ['Content-Type: application/json']
  return withBody(
    `${request} HTTP/1.1`,
    [
      'Accept-Encoding: identity',
      ...writtenLength(request, body),
      `Host: ${HOST}`,
      'User-Agent: ansible-httpget',
      ...type,
      'Connection: close',
    ],
    body,
  )
}

/** Status exporters in Node (axios). */
export const exporter = (path: string): Recording => ({
  line: `GET ${path} HTTP/1.1`,
  headers: [
    'Accept: application/json, text/plain, */*',
    'User-Agent: axios/1.7.9',
    'Accept-Encoding: gzip, compress, deflate, br',
    `Host: ${HOST}`,
    'Connection: keep-alive',
  ],
})

/** Status exporters in Go: net/http as it is (x3ro, Ecube-Labs), or go-kafka/connect (autotrader). */
export const goExporter = (path: string): Recording =>
  goRequest(`GET ${path}`, undefined, ['User-Agent: Go-http-client/1.1'])
export const goKafkaExporter = (path: string): Recording =>
  goRequest(`GET ${path}`, undefined, ['User-Agent: go-kafka/0.9 connect/0.9.0', 'Accept: application/json'])

/** curl, as in every tutorial: `curl -X … -H 'Content-Type: application/json' -d @file`. */
export const curl = (request: string, body?: string, more: readonly string[] = []): Recording =>
  withBody(
    `${request} HTTP/1.1`,
    [
      `Host: ${HOST}`,
      'User-Agent: curl/8.5.0',
      'Accept: */*',
      ...more,
      ...(body === undefined ? [] : ['Content-Type: application/json', lengthOf(body)]),
    ],
    body,
  )
