// Rows about tokens: the ones in use end, the endpoint that gives new ones is broken or slow, the key is rotated.
import assert from 'node:assert/strict'
import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { CertificateAuthority } from '@millrace/testkit'
import { range } from '../../e2e/support/stage.ts'
import { setBehavior, withinItsClaims } from '../bigquery-faults.ts'
import type { Row } from '../row.ts'
import { PARTITIONS, type Scene } from '../scene.ts'
import { TlsFront, TokenEndpoint, writeKey } from '../token-endpoint.ts'

export const CREDENTIAL_ROWS: readonly Row[] = [
  {
    id: '44',
    name: 'tokens end; their endpoint answers 500, is slow, refuses the key',
    how: 'workers with a service account key and TLS; the emulator ends every token it has seen, and the calls that use them',
    scaled: '10 s; --full: 60 s',
    async run(scene) {
      const { stage } = scene
      const key = join(stage.folder.path, stage.unique('key'))
      await using tokens = await TokenEndpoint.listen(writeKey(key))
      await using _fronts = await restartWithCredentials(scene, tokens, key)
      await setBehavior(stage, { tokenExpiry: 'closes' })
      await scene.untilFresh()

      await withinItsClaims(scene, async () => {
        tokens.mood = 'broken'
        const broken = tokens.counts.broken
        scene.hit('calls whose token ended', await endTokens(scene))
        await scene.sleep(scene.lasting(60_000, 10_000))
        scene.hit('answers 500 of the token endpoint', tokens.counts.broken - broken)
        tokens.mood = 'slow'
        const back = performance.now()
        await scene.untilRecovered(back)
        tokens.mood = 'well'
      })

      // A key that is no good any more is no matter of waiting: that is said, until there is another.
      tokens.key = writeKey(`${key}-new`)
      await endTokens(scene)
      const failed = await scene.untilFailed(range(0, PARTITIONS), 'BIGQUERY_AUTH_FAILED')
      scene.hit('partitions FAILED', failed.length)
      scene.hit('keys refused', tokens.counts.refused)
      renameSync(`${key}-new`, key)
      await scene.untilFresh()
      assert.ok(!stage.logs().includes('chaos-token-'), 'no token is logged')
      await Promise.all(stage.running.map(seat => seat.end()))
    },
  },
]

async function endTokens({ stage }: Scene): Promise<number> {
  const { body } = await stage.askEmulator('POST', '/emulator/tokens/expire', {})
  return (body as { closed: number }).closed
}

/** All workers, each with TLS on its ways to BigQuery; answers what has to be closed when they are gone. */
async function restartWithCredentials(
  { stage }: Scene,
  { url }: TokenEndpoint,
  key: string,
): Promise<AsyncDisposableStack> {
  const folder = stage.folder.path
  const authority = new CertificateAuthority(folder, stage.unique('authority'))
  const name = stage.unique('front')
  authority.issue(name, 'DNS:localhost')
  const pem = {
    key: readFileSync(join(folder, `${name}.key`), 'utf8'),
    cert: readFileSync(join(folder, `${name}.pem`), 'utf8'),
  }
  const env = {
    ...process.env,
    NODE_EXTRA_CA_CERTS: authority.path,
    GOOGLE_APPLICATION_CREDENTIALS: key,
    TOKEN_ENDPOINT: url,
  }
  const fronts = new AsyncDisposableStack()
  for (const seat of stage.seats) {
    const grpc = fronts.use(await TlsFront.listen(seat.links.grpc.address, pem))
    const rest = fronts.use(await TlsFront.listen(seat.links.rest.address, pem))
    await seat.end()
    await stage.startAt(seat, {
      over: { 'bigquery.endpoint': grpc.url, 'bigquery.rest.endpoint': rest.url },
      env,
    })
  }
  return fronts
}
