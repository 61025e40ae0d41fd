// Every deliberate difference from Kafka Connect, with its reason. The differential test accepts these and no others, and fails
// when one of them does not occur any more. docs/reference/differences-from-connect.md is written from this table.
import type { Disagreement } from './compare.ts'
import { bodyText, type Request } from './exchange.ts'

export type Difference = {
  /** For people, as the next three. */
  readonly request: string
  readonly connect: string
  readonly millrace: string
  readonly reason: string
  readonly when: {
    /** On `METHOD /path`. */
    readonly asked?: RegExp
    /** On the body of the request. */
    readonly sent?: RegExp
    readonly aspect: RegExp
    readonly connect: RegExp
    readonly millrace: RegExp
  }
}

const ANSWER = /^answer$/
const PATCH_OFFSETS = /^PATCH \/connectors\/[^/]+\/offsets$/
const VALIDATE = /^PUT \/connector-plugins\/\S+\/validate$/
const JACKSON =
  /^500 (Cannot invoke|Cannot deserialize|Cannot construct|Unrecognized (field|token)|Unexpected |HTTP 500|JSON)/

export const DIFFERENCES: readonly Difference[] = [
  {
    request: 'a body with fields nobody knows, or `initial_state` nobody knows',
    connect: '500 `Unrecognized field …`, with class names',
    millrace: '400 naming the field',
    reason: 'it is the client that must change something; 500 sets off alarms and retries',
    when: {
      aspect: ANSWER,
      connect: /^500 (Unrecognized field|Cannot construct instance of .*InitialState)/,
      millrace: /^400 (Unrecognized field|initial_state must be)/,
    },
  },
  {
    request: 'a config value that is an object or a list',
    connect: '500 with the text of the Java exception',
    millrace: '400 naming the key',
    reason: 'it is the client that must change something; 500 sets off alarms and retries',
    when: {
      aspect: ANSWER,
      connect: /^500 Cannot deserialize value of type `java.lang.String`/,
      millrace: /^400 The value of configuration \S+ must be/,
    },
  },
  {
    request: 'a body that is missing, not JSON, or not of the shape that is asked for',
    connect: '500 with the text of the Java exception',
    millrace: '400 with a sentence about what is wrong',
    reason: 'it is the client that must change something; 500 sets off alarms and retries',
    when: { aspect: ANSWER, connect: JACKSON, millrace: /^400 / },
  },
  {
    request: 'a config value that is `null`',
    connect: '400 `Null value can not be supplied as the configuration value.`, or a complaint about something else',
    millrace: '400 naming the key',
    reason: 'the key is what one has to look for',
    when: { aspect: ANSWER, connect: /^(400|500) /, millrace: /^400 The value of configuration \S+ may not be null/ },
  },
  {
    request: 'a config without `connector.class`',
    connect: '400 `Connector config {…} contains no connector type`, with all values',
    millrace: '400, the same sentence with the keys only',
    reason: 'the values may be secrets, and messages end in logs',
    when: {
      asked: /^(POST|PUT|PATCH) \/connectors/,
      aspect: ANSWER,
      connect: /^400 Connector config \{.*=.*\} contains no connector type$/,
      millrace: /^400 Connector config \{[^=]*\} contains no connector type$/,
    },
  },
  {
    request: 'PUT `/connector-plugins/{p}/config/validate` without `connector.class`',
    connect: '500 `…BadRequestException: Connector config {…} contains no connector type`',
    millrace: '400 `Connector config {…} contains no connector type`, with the keys only',
    reason: 'as above',
    when: {
      asked: /\/validate$/,
      aspect: ANSWER,
      connect: /^500 .*BadRequestException: Connector config \{.*\} contains no connector type$/,
      millrace: /^400 Connector config \{[^=]*\} contains no connector type$/,
    },
  },
  {
    request: 'a `connector.class` nobody knows',
    connect: '400 `Failed to find any class …`, the plugins as Java describes them',
    millrace: '400, the same sentence with the names of the classes',
    reason: 'the names are what one can write there',
    when: {
      aspect: ANSWER,
      connect:
        /^400 Failed to find any class that implements Connector and which name matches (\w*), available connectors are: PluginDesc/,
      millrace:
        /^400 Failed to find any class that implements Connector and which name matches (\w*), available connectors are: \{\{class}}(, [\w.{} ]+)*$/,
    },
  },
  {
    request: 'PATCH `/connectors/{n}/config` with another `name`',
    connect: '200, and the connector has a config that names another one',
    millrace: '400 as PUT says it',
    reason: 'a config that contradicts its connector cannot be PUT back',
    when: {
      asked: /^PATCH \/connectors\/[^/]+\/config$/,
      sent: /"name"/,
      aspect: ANSWER,
      connect: /^200 /,
      millrace: /^400 Connector name configuration \(other\) doesn't match connector name in the URL/,
    },
  },
  {
    request: '`tasks.max` that is no number',
    connect: '400 with two errors, `Not a number of type INT` and `Value must be non-null`',
    millrace: '400 with one, which also tells of `auto`',
    reason: 'one mistake, one error; `auto` is an addition',
    when: {
      aspect: ANSWER,
      connect: /^400 .*\nInvalid value many for configuration tasks.max: Not a number of type INT\n/,
      millrace: /^400 .*\nInvalid value many for configuration tasks.max: Not a number of type INT or one of: auto\n/,
    },
  },
  {
    request: 'POST `/connectors`, PUT and PATCH `/connectors/{n}/config`',
    connect: '`tasks` as they were before: none for a new connector',
    millrace: '`tasks` as they are from now on',
    reason: 'how many there are is known at once',
    when: {
      asked: /^(POST \/connectors|(PUT|PATCH) \/connectors\/[^/]+\/config)$/,
      aspect: /^body \$\.tasks$/,
      connect: /^\[.*\]$/,
      millrace: /^\[\{/,
    },
  },
  {
    request: 'POST `/connectors`, PUT `/connectors/{n}/config` of a new connector',
    connect: '`Location: http://host:port/connectors/{n}`',
    millrace: '`Location: /connectors/{n}`',
    reason:
      'the same place (RFC 9110 §10.2.2), and still the right one behind a proxy that speaks TLS or has another name',
    when: {
      asked: /^(POST|PUT) \/connectors/,
      aspect: /^header location$/,
      connect: /^http:\/\/127\.0\.0\.1:\{\{port}}\/connectors\/[^/]+$/,
      millrace: /^\/connectors\/[^/]+$/,
    },
  },
  {
    request: 'any status',
    connect: '`version` in connector and tasks, since 4.1',
    millrace: 'no `version`',
    reason: 'optional, and a client made before 4.1 that decodes strictly does not know it',
    when: { aspect: /^body \$.*\.version$/, connect: /^("4\.1\.\d+"|"\{\{.*)$/, millrace: /^\(absent\)$/ },
  },
  {
    request: 'a path that does not exist, a method that a path has not, a content type that is not JSON',
    connect: '`{error_code, message}` without a content type',
    millrace: '`Content-Type: application/json`',
    reason: 'it is JSON',
    when: { aspect: /^header content-type$/, connect: /^\(absent\)$/, millrace: /^application\/json$/ },
  },
  {
    request: 'a method that a path has not',
    connect: '405 without `Allow`',
    millrace: '405 with `Allow`',
    reason: 'RFC 9110 §15.5.6 requires it',
    when: { aspect: /^header allow$/, connect: /^\(absent\)$/, millrace: /OPTIONS/ },
  },
  {
    request: '`Accept` without JSON',
    connect: '406',
    millrace: 'the answer, in JSON',
    reason:
      'there is only JSON, and RFC 9110 §12.4.1 lets a server with one format answer in it: a client with a wrong header works',
    when: { aspect: ANSWER, connect: /^406 HTTP 406 Not Acceptable$/, millrace: /^404 Connector absent not found$/ },
  },
  {
    request: 'a `Content-Type` that is none',
    connect: '400 as a page of the web server',
    millrace: '415 as any other content type that is not JSON',
    reason: 'every error is `{error_code, message}`',
    when: { aspect: ANSWER, connect: /^400( \{"message":"Bad Request".*)?$/, millrace: /^415 / },
  },
  {
    request: 'what the web server itself refuses: a malformed path, a malformed header',
    connect: '`Cache-Control: must-revalidate,no-cache,no-store`',
    millrace: 'none',
    reason: 'nothing of this API is kept by caches',
    when: { aspect: /^header cache-control$/, connect: /^must-revalidate/, millrace: /^\(absent\)$/ },
  },
  {
    request: 'POST `/connectors/{n}/restart` with a flag that is neither true nor false',
    connect: 'counts as false',
    millrace: '400',
    reason: 'whoever wrote `onlyFailed=1` meant something else than restarting what runs',
    when: {
      asked: /\/restart\?(includeTasks|onlyFailed)=(nonsense|1)$/,
      aspect: ANSWER,
      connect: /^204$/,
      millrace: /^400 The query parameter \w+ must be true or false\.$/,
    },
  },
  {
    request: 'POST `/connectors/{n}/tasks/{t}/restart` of a task that a stopped connector had',
    connect: '409 `Cannot complete request momentarily …`, for ever',
    millrace: '404 `Unknown task: {n}-{t}`',
    reason: 'there is no such task, and waiting does not bring it; 409 means "exists" and nothing else',
    when: {
      asked: /^POST .*\/tasks\/\d\/restart$/,
      aspect: ANSWER,
      connect: /^409 Cannot complete request momentarily due to no known leader URL/,
      millrace: /^404 Unknown task: /,
    },
  },
  {
    request:
      'PATCH `/connectors/{n}/offsets` with a partition there is not, a topic without a name, or numbers below 0',
    connect: '500 `Failed to alter consumer group offsets for connector {n}` or `Failed to modify offsets …`',
    millrace: '400 naming what is wrong',
    reason: 'it is the client that must change something',
    when: {
      asked: PATCH_OFFSETS,
      aspect: ANSWER,
      connect: /^500 Failed to (alter consumer group|modify) offsets /,
      millrace: /^400 /,
    },
  },
  {
    request: 'GET `/connectors/{n}/offsets` of a partition nothing was read from yet',
    connect: 'left out until the first commit',
    millrace: 'where it began',
    reason: 'it is decided when the partition is taken over, and from then on no `auto.offset.reset` changes it',
    when: {
      asked: /^GET \/connectors\/idle\/offsets$/,
      aspect: /^body \$\.offsets$/,
      connect: /^\[\]$/,
      millrace: /^\[\{"partition":\{"kafka_topic":"nothing","kafka_partition":0},"offset":\{"kafka_offset":0}}]$/,
    },
  },
  {
    request: 'PATCH `/connectors/{n}/offsets` with an offset that is not in the log of the partition',
    connect: '200; the consumer then goes on from wherever `auto.offset.reset` says, without a word',
    millrace: '400 with the offsets there are',
    reason: 'whoever names an offset wants that one, not all records again and not none of them',
    when: {
      asked: PATCH_OFFSETS,
      aspect: ANSWER,
      connect: /^200 /,
      millrace: /^400 orders-\d holds offsets from 0, and its next is 5: it cannot start at /,
    },
  },
  {
    request: 'PATCH `/connectors/{n}/offsets` with a topic that exists, but that the connector does not read',
    connect: '200; the position is stored, and nobody ever looks at it',
    millrace: '400 naming the topic (`null` for one it read once is accepted)',
    reason: 'a wrong name would look like success, and the records one wanted to skip or repeat would not be',
    when: {
      asked: PATCH_OFFSETS,
      aspect: ANSWER,
      connect: /^200 /,
      millrace: /^400 Connector moved reads no topic __consumer_offsets that exists\.$/,
    },
  },
  {
    request: 'PATCH `/connectors/{n}/offsets` with `null` for a partition without a position',
    connect: '500 `Failed to alter consumer group offsets for connector {n}` while no other has one either',
    millrace: '200',
    reason: 'it is as it was asked to be; DELETE, too, may be asked twice',
    when: {
      asked: PATCH_OFFSETS,
      sent: /"offset":null/,
      aspect: ANSWER,
      connect: /^500 Failed to alter consumer group offsets /,
      millrace: /^200 /,
    },
  },
  {
    request: 'any body with the same key twice in one object',
    connect: 'the last one counts',
    millrace: '400 naming the key',
    reason: 'one of the two was meant, and nobody can know which; the other would be gone without a word',
    when: { aspect: ANSWER, connect: /^200 /, millrace: /^400 The request body has the key "[^"]+" twice\.$/ },
  },
  {
    request: 'PUT `/admin/loggers/{l}` with a level that is a number',
    connect: "404 `invalid log level '7'.`",
    millrace: "400 `The 'level' parameter must be a string.`",
    reason: 'the body is wrong, not the path',
    when: {
      asked: /^PUT \/admin\/loggers\//,
      aspect: ANSWER,
      connect: /^404 invalid log level '7'\.$/,
      millrace: /^400 The 'level' parameter must be a string\.$/,
    },
  },
  {
    request: 'GET, PUT `/admin/loggers/{l}` of any logger but `root`',
    connect: 'every Java class has its logger',
    millrace: 'PUT affects none (`[]`), GET says 404',
    reason: 'there is one logger, `root`: fields tell lines apart, not names',
    when: {
      asked: /^PUT \/admin\/loggers\/some\.logger/,
      aspect: /^body \$$/,
      connect: /^\["some\.logger"\]$/,
      millrace: /^\[\]$/,
    },
  },
  {
    request: 'GET, PUT `/admin/loggers/{l}` of any logger but `root`',
    connect: 'every Java class has its logger',
    millrace: 'PUT affects none (`[]`), GET says 404',
    reason: 'there is one logger, `root`: fields tell lines apart, not names',
    when: {
      asked: /^GET \/admin\/loggers\/some\.logger$/,
      aspect: ANSWER,
      connect: /^200 \{"level":/,
      millrace: /^404 Logger some\.logger not found\.$/,
    },
  },
  {
    request: 'validation: recommended values of converters',
    connect: 'all that are installed',
    millrace: 'those that this connector can use',
    reason: 'the others are refused',
    when: {
      asked: VALIDATE,
      aspect: /^recommended_values in the value of \w+\.converter$/,
      connect: /^\["org\.apache\.kafka\.connect\.converters\.BooleanConverter"/,
      millrace: /^\["org\.apache\.kafka\.connect\./,
    },
  },
  {
    request: 'validation: errors of keys of converters and of transformations',
    connect: 'name the key without its prefix: `schemas.enable`, `pattern`',
    millrace: 'name the key as it is written: `value.converter.schemas.enable`, `predicates.p.pattern`',
    reason:
      'two converters have the same keys, and the sentence also comes without the key beside it, in the answer to POST',
    when: {
      asked: VALIDATE,
      aspect: /^errors in the value of (\w+\.converter|transforms\.\w+|predicates\.\w+)\./,
      connect: /^\["Invalid value \S+ for configuration (schemas\.enable|decimal\.format|pattern): /,
      millrace:
        /^\["Invalid value \S+ for configuration (value\.converter\.(schemas\.enable|decimal\.format)|predicates\.p\.pattern): /,
    },
  },
  {
    request: 'validation: a regular expression that is none',
    connect: 'what is wrong with it, and the expression once more on further lines',
    millrace: 'what is wrong with it',
    reason: 'one error, one line: clients take the text of the answer apart by lines',
    when: {
      asked: VALIDATE,
      aspect: /^errors in the value of topics\.regex$/,
      connect:
        /^\["Invalid value \( for configuration topics\.regex: Invalid regex: Unclosed group near index 1\\n\("\]$/,
      millrace: /^\["Invalid value \( for configuration topics\.regex: Invalid regex: Unclosed group near index 1"\]$/,
    },
  },
  {
    request: 'validation: `transforms.{a}.predicate` that is no alias of `predicates`',
    connect: 'no error; the task fails when it starts',
    millrace: 'an error',
    reason: 'it can be known at once',
    when: {
      asked: VALIDATE,
      aspect: /^errors in the value of transforms\.\w+\.predicate$/,
      connect: /^\[\]$/,
      millrace: /^\["Invalid value none for configuration transforms\.a\.predicate: no predicate of that alias /,
    },
  },
  {
    request: 'validation: a transformation that is not built yet',
    connect: 'no error',
    millrace: 'an error naming the class',
    reason: 'a connector must not run without what its config asks for',
    when: {
      asked: VALIDATE,
      aspect: /^errors in the value of transforms\.\w+\.type$/,
      connect: /^\[\]$/,
      millrace:
        /^\["Configuration transforms\.\w\.type asks for something not supported: the transformation \S+ is not built/,
    },
  },
  {
    request: 'GET `/connector-plugins/{p}/config?version=…` of a version that is not installed',
    connect: '400 naming the versions there are',
    millrace: 'the definitions there are',
    reason:
      'a worker has one version of each plugin, and accepts a config that names another: these are the keys it gets',
    when: {
      asked: /^GET \/connector-plugins\/\w+\/config\?version=9\.9$/,
      aspect: ANSWER,
      connect: /^400 Plugin \S+ not found that matches the version range \[9\.9,9\.9], available versions: /,
      millrace: /^200 \[/,
    },
  },
  {
    request: 'a `….plugin.version` that is not installed',
    connect: 'an error, and the other keys are not looked at',
    millrace: 'accepted and without effect',
    reason:
      'a config that runs with another BigQuery connector names the version of that one; a worker here has one version of each plugin',
    when: { asked: VALIDATE, sent: /"connector\.plugin\.version":"9\.9"/, aspect: /./, connect: /./, millrace: /./ },
  },
  {
    request: 'a path with `%2F`, `%25`, `%2E%2E`, `%00`, a broken escape or an empty segment',
    connect:
      '400 as an HTML page of the web server: a connector of such a name can be made, but neither read nor deleted',
    millrace: 'the connector of that name, 404 without one, 400 when it cannot be decoded',
    reason: 'what can be created can be managed, and every error is JSON',
    when: { asked: /^GET \/+connectors/, aspect: ANSWER, connect: /^400 "<html>/, millrace: /^(200 \[|40[04] [^"])/ },
  },
  {
    request: 'a path with `%2F`, `%25`, `%2E%2E`, `%00`, a broken escape or an empty segment',
    connect:
      '400 as an HTML page of the web server: a connector of such a name can be made, but neither read nor deleted',
    millrace: 'the connector of that name, 404 without one, 400 when it cannot be decoded',
    reason: 'what can be created can be managed, and every error is JSON',
    when: {
      asked: /^GET \/+connectors/,
      aspect: /^header content-type$/,
      connect: /^text\/html;charset=iso-8859-1$/,
      millrace: /^application\/json$/,
    },
  },
  {
    request: 'a path with `;` in it',
    connect: 'what follows the `;` is left out of the name',
    millrace: 'it is part of the name',
    reason: 'a connector may be called so; parameters within paths are no part of this API',
    when: {
      asked: /^GET \/connectors\/x;y=z$/,
      aspect: ANSWER,
      connect: /^404 Connector x not found$/,
      millrace: /^404 Connector x;y=z not found$/,
    },
  },
  {
    request: 'another config, or `tasks.max`, for a paused connector',
    connect: 'the tasks it had, with the config they had, until it is resumed',
    millrace: 'the tasks it will have, with the new config, paused',
    reason: 'tasks are shares of the partitions, nothing that must be started to be counted',
    when: {
      asked: /^GET \/connectors\/resized(\/status|\/tasks)?$/,
      aspect: /^body \$(\.tasks)?$/,
      connect: /^\[.*\]$/,
      millrace: /^\[.*\]$/,
    },
  },
]

/** The difference that explains a disagreement. */
export function explanation(request: Request, disagreement: Disagreement): Difference | undefined {
  return DIFFERENCES.find(({ when }) => {
    return (
      (when.asked?.test(`${request.method} ${request.path}`) ?? true) &&
      (when.sent?.test(bodyText(request.body) ?? '') ?? true) &&
      when.aspect.test(disagreement.aspect) &&
      when.connect.test(disagreement.connect) &&
      when.millrace.test(disagreement.millrace)
    )
  })
}
