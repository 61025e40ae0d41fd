// A unary call from bytes to bytes: who may call, what stands in the way, the method itself, faults before and after.
import type { Metadata, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { FORBIDDEN_TEXT, UNAUTHENTICATED_TEXT } from '../access.ts'
import { parseTableResource } from '../catalog/names.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import type { FaultMethod, Struck } from '../faults/faults.ts'
import { Refused } from '../streams/streams.ts'
import { type Codec, codec } from '../wire/messages.ts'
import { grpcError, type Refusal } from '../wire/storage-error.ts'
import type { Delays } from './delays.ts'
import { checkRouting, readRouting } from './routing.ts'
import { offsetOf, type UnaryMethod } from './unary.ts'

type UnaryHandler = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => void

/** Why a caller is turned away before anything it says is looked at. */
export function judge(core: EmulatorCore, metadata: Metadata): Refusal | undefined {
  const verdict = core.access.judge(metadata.get('authorization')[0]?.toString())
  if (verdict === 'unauthenticated') return { code: 'UNAUTHENTICATED', message: UNAUTHENTICATED_TEXT }
  return verdict === 'forbidden' ? { code: 'PERMISSION_DENIED', message: FORBIDDEN_TEXT } : undefined
}

export function unaryHandler(
  core: EmulatorCore,
  name: Exclude<FaultMethod, 'AppendRows'>,
  method: UnaryMethod,
  delays: Delays,
): UnaryHandler {
  const requestCodec = codec(method.requestType)
  const responseCodec = codec(method.responseType)

  /** Undefined when the call is never to be answered. */
  const answer = async (call: ServerUnaryCall<Buffer, Buffer>): Promise<Buffer | undefined> => {
    const denied = judge(core, call.metadata)
    if (denied) throw new Refused(denied)
    const request = readMessage(requestCodec, call.request)
    const subject = method.subject(request)
    const misrouted = checkRouting(core.behavior, readRouting(call.metadata), subject)
    if (misrouted) throw new Refused(misrouted)
    const slowMs = name === 'CreateWriteStream' ? takeCreate(core, subject) : 0
    const fault = core.faults.strike(name, subject, offsetOf(request))
    if (fault) await strikeBefore(fault)
    if (fault?.effect === 'blackhole') return undefined
    const result = responseCodec.encode(await method.run(request, core))
    await delays.pause(slowMs)
    if (fault) await strikeAfter(fault)
    return fault?.effect === 'blackholeAfterApply' ? undefined : result
  }

  const strikeBefore = async ({ effect, delayMs, refusal }: Struck): Promise<void> => {
    const isRefused = effect === 'close' || effect === 'inBand'
    if (isRefused || effect === 'delayApply') await delays.pause(delayMs)
    if (isRefused) throw new Refused(refusal)
  }
  const strikeAfter = async ({ effect, delayMs, refusal }: Struck): Promise<void> => {
    const isLost = effect === 'closeAfterApply' || effect === 'inBandAfterApply'
    if (isLost || effect === 'delayReply') await delays.pause(delayMs)
    if (isLost) throw new Refused(refusal)
  }

  return (call, reply) => {
    answer(call).then(
      bytes => bytes && reply(null, bytes),
      (error: Error) => reply(grpcError(refusalOf(error))),
    )
  }
}

const refusalOf = (error: Error): Refusal =>
  error instanceof Refused ? error.refusal : { code: 'INTERNAL', message: `Emulator error: ${error.message}` }

/** How slow the answer is to be. Throws Refused when the quota is used up. A table that is not there takes nothing. */
function takeCreate(core: EmulatorCore, parent: string): number {
  const ref = parseTableResource(parent)
  const table = ref && core.catalog.findTable(ref)
  if (!table) return 0
  const { refusal, slowMs } = core.quotas.takeCreate(table, parent)
  if (refusal) throw new Refused(refusal)
  return slowMs
}

function readMessage(requestCodec: Codec, bytes: Buffer): Record<string, unknown> {
  try {
    return requestCodec.decode(bytes)
  } catch (error) {
    throw new Refused({ code: 'INVALID_ARGUMENT', message: `The request cannot be read: ${(error as Error).message}` })
  }
}
