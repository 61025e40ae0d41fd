// Config providers (KIP-297): where `${provider:[path:]key}` in a value comes from. They are off until the worker's operator
// names them, and each is told what it may read: whoever may write a connector could read everything else.

export type ProviderAnswer =
  | { readonly kind: 'value'; readonly value: string }
  /** A phrase for "…cannot be resolved: <problem>". It holds neither path nor key nor value. */
  | { readonly kind: 'problem'; readonly problem: string }

export interface ConfigProvider {
  /** @param path null when the placeholder has none. Never throws. */
  get(path: string | null, key: string): ProviderAnswer
}

/** What providers need of the machine. `cli` supplies it; paths are absolute. */
export interface ProviderFiles {
  /** Without symbolic links and `..`. Throws an error with a `code` such as ENOENT. */
  realPath(path: string): string
  /** The text of a regular file of at most so many bytes, not following a symbolic link at its end. Throws the same. */
  read(realPath: string, bytesMax: number): string
}

export type ConfigProviders = {
  readonly byName: ReadonlyMap<string, ConfigProvider>
  /** Is told every value that left a provider, so that it can be kept out of logs. */
  readonly onValue: (value: string) => void
}

export const NO_PROVIDERS: ConfigProviders = { byName: new Map(), onValue: () => {} }

export const answered = (value: string): ProviderAnswer => ({ kind: 'value', value })
export const problem = (text: string): ProviderAnswer => ({ kind: 'problem', problem: text })
