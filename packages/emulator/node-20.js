// What Node 20 lacks of the built-ins that src/ uses; the syntax it lacks is compiled away. Does nothing on newer ones.
Symbol.asyncDispose ??= Symbol('Symbol.asyncDispose')
Symbol.dispose ??= Symbol('Symbol.dispose')

Promise.withResolvers ??= function withResolvers() {
  let resolve
  let reject
  const promise = new this((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

/** As the standard says, but that errors of several closes become one AggregateError rather than nested ones. */
globalThis.AsyncDisposableStack ??= class AsyncDisposableStack {
  #closes = []

  get disposed() {
    return this.#closes === undefined
  }

  defer(close) {
    this.#open().push(close)
  }

  adopt(value, close) {
    this.defer(() => close(value))
    return value
  }

  use(value) {
    if (value !== null && value !== undefined) {
      const close = value[Symbol.asyncDispose] ?? value[Symbol.dispose]
      if (typeof close !== 'function') throw new TypeError('The value cannot be disposed of')
      this.defer(() => close.call(value))
    }
    return value
  }

  move() {
    const moved = new AsyncDisposableStack()
    moved.#closes = this.#open()
    this.#closes = undefined
    return moved
  }

  async disposeAsync() {
    const closes = this.#closes ?? []
    this.#closes = undefined
    const errors = []
    while (closes.length > 0)
      try {
        await closes.pop()()
      } catch (error) {
        errors.push(error)
      }
    if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors)
  }

  [Symbol.asyncDispose]() {
    return this.disposeAsync()
  }

  #open() {
    if (this.#closes === undefined) throw new ReferenceError('The stack is disposed of already')
    return this.#closes
  }
}
