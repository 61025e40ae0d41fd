// Certificates for tests of TLS, made by openssl as operators make them: an authority of one's own and what it signs.
// Everything is a PEM file in the folder, named after the certificate, and good for two days.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const KEY = ['-newkey', 'rsa:2048', '-nodes']
const VALID = ['-days', '2']

export class CertificateAuthority {
  readonly #folder: string
  readonly #name: string

  /** Makes `<name>.pem` and `<name>.key`, signed by itself. */
  constructor(folder: string, name = 'ca') {
    this.#folder = folder
    this.#name = name
    this.#openssl('req', '-x509', ...KEY, ...VALID, '-keyout', `${name}.key`, '-out', `${name}.pem`, ...subject(name))
  }

  /** File of the authority's own certificate: what a trust store holds. */
  get path(): string {
    return join(this.#folder, `${this.#name}.pem`)
  }
  get pem(): string {
    return readFileSync(this.path, 'utf8')
  }

  /**
   * Makes `<name>.pem`, `<name>.key` and, with both in one file as Kafka's PEM key stores have it, `<name>-both.pem`.
   * @param subjectAltName as openssl writes it, e.g. `IP:127.0.0.1,DNS:localhost`
   * @returns path of the file with both
   */
  issue(name: string, subjectAltName: string): string {
    const path = (ending: string): string => join(this.#folder, name + ending)
    writeFileSync(path('.ext'), `subjectAltName=${subjectAltName}\n`)
    this.#openssl('req', '-new', ...KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, ...subject(name))
    const signer = ['-CA', `${this.#name}.pem`, '-CAkey', `${this.#name}.key`, '-CAcreateserial']
    const files = ['-in', `${name}.csr`, '-extfile', `${name}.ext`, '-out', `${name}.pem`]
    this.#openssl('x509', '-req', ...files, ...signer, ...VALID)
    writeFileSync(path('-both.pem'), readFileSync(path('.key'), 'utf8') + readFileSync(path('.pem'), 'utf8'))
    return path('-both.pem')
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' })
  }
}

const subject = (name: string): readonly string[] => ['-subj', `/CN=${name}`]
