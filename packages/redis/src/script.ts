// Lua scripts: one file each in scripts/, its key count at the end of the file name, run by hash and sent whole when Redis does
// not know it (a restart, SCRIPT FLUSH or a failover forgets them). EVALSHA: https://redis.io/docs/latest/commands/evalsha/
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

export type Script = {
  readonly name: string
  readonly source: string
  readonly sha1: string
  readonly keyCount: number
}

function load(name: string): Script {
  const source = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8')
  const sha1 = createHash('sha1').update(source).digest('hex')
  return { name, source, sha1, keyCount: Number(name.slice(name.lastIndexOf('-') + 1)) }
}

export const SCRIPTS: Readonly<Record<ScriptName, Script>> = {
  leaseAcquire: load('lease-acquire-1'),
  leaseRenew: load('lease-renew-1'),
  leaseRelease: load('lease-release-1'),
  expiringPut: load('expiring-put-2'),
  expiringList: load('expiring-list-2'),
  expiringDelete: load('expiring-delete-2'),
  leaderCampaign: load('leader-campaign-2'),
  leaderResign: load('leader-resign-1'),
  boardPublish: load('board-publish-2'),
  boardRead: load('board-read-1'),
  streamRamp: load('stream-ramp-1'),
}
export type ScriptName =
  | 'leaseAcquire'
  | 'leaseRenew'
  | 'leaseRelease'
  | 'expiringPut'
  | 'expiringList'
  | 'expiringDelete'
  | 'leaderCampaign'
  | 'leaderResign'
  | 'boardPublish'
  | 'boardRead'
  | 'streamRamp'
