import { CoordinationTwin, describeCoordination, VirtualTime } from '../src/index.ts'

describeCoordination('coordination twin', async limits => {
  const time = new VirtualTime()
  const twin = new CoordinationTwin({ clock: time, timers: time }, limits)
  return {
    one: twin,
    two: twin,
    advance: ms => time.advance(ms),
    wipe: async () => twin.wipe(),
    [Symbol.asyncDispose]: async () => {},
  }
})
