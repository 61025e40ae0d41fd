// GEOGRAPHY values: WKT and GeoJSON, checked and turned into WKT as BigQuery prints it. What needs a sphere (orientation of rings,
// self-intersections) is not checked. https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#geography_type

/** Why a text is no GEOGRAPHY. */
export class InvalidGeography extends Error {}

/** GEOMETRYCOLLECTIONs within each other. */
const DEPTH_MAX = 16

/** The WKT of a WKT or GeoJSON text. Throws InvalidGeography. */
export function toWkt(text: string): string {
  return text.trimStart().startsWith('{') ? fromGeoJson(text) : new WktReader(text).whole()
}

function position(longitude: number, latitude: number): string {
  if (!(latitude >= -90 && latitude <= 90)) throw new InvalidGeography(`latitude ${latitude} is not in [-90, 90]`)
  if (!(longitude >= -180 && longitude <= 180))
    throw new InvalidGeography(`longitude ${longitude} is not in [-180, 180]`)
  return `${longitude} ${latitude}`
}

/** ST_GEOGPOINT(longitude, latitude): the longitude wraps around, the latitude does not. */
export function geogPoint(longitude: number, latitude: number): string {
  if (!Number.isFinite(longitude)) throw new InvalidGeography(`longitude ${longitude} is not finite`)
  const wrapped = longitude >= -180 && longitude <= 180 ? longitude : ((((longitude + 180) % 360) + 360) % 360) - 180
  return `POINT(${position(wrapped, latitude)})`
}

function checkLine(count: number): void {
  if (count < 2) throw new InvalidGeography('a LINESTRING needs two positions')
}

function checkRing(positions: readonly string[]): void {
  if (positions.length < 4) throw new InvalidGeography('a ring of a POLYGON needs four positions')
  if (positions[0] !== positions.at(-1)) throw new InvalidGeography('a ring of a POLYGON does not end where it starts')
}

const EMPTY = 'EMPTY'
const WKT_TOKEN = /\s*(?:([A-Za-z]+)|([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([(),]))/y

class WktReader {
  private readonly text: string
  private at = 0
  private token = ''

  constructor(text: string) {
    this.text = text
    this.advance()
  }

  whole(): string {
    const wkt = this.geometry(0)
    if (this.token !== '') throw new InvalidGeography(`unexpected ${this.token.slice(0, 20)}`)
    return wkt
  }

  private advance(): void {
    WKT_TOKEN.lastIndex = this.at
    const match = WKT_TOKEN.exec(this.text)
    if (!match && this.text.slice(this.at, this.at + 1000).trim() !== '')
      throw new InvalidGeography(`unexpected ${this.text.slice(this.at, this.at + 20)}`)
    this.token = match ? (match[1]?.toUpperCase() ?? match[2] ?? match[3]!) : ''
    this.at = match ? WKT_TOKEN.lastIndex : this.text.length
  }

  private expect(token: string): void {
    if (this.token !== token)
      throw new InvalidGeography(`${token} expected, not ${this.token.slice(0, 20) || 'the end'}`)
    this.advance()
  }

  private geometry(depth: number): string {
    if (depth > DEPTH_MAX) throw new InvalidGeography(`more than ${DEPTH_MAX} collections within each other`)
    const type = this.token
    this.advance()
    if (type === 'FULLGLOBE') return type
    const body = this.bodyOf(type, depth)
    return body === EMPTY ? `${type} ${EMPTY}` : `${type}${body}`
  }

  private bodyOf(type: string, depth: number): string {
    if (this.token === EMPTY) {
      this.advance()
      if (!GEOMETRY_TYPES.has(type)) throw new InvalidGeography(`unknown geometry ${type.slice(0, 20)}`)
      return EMPTY
    }
    switch (type) {
      case 'POINT':
        return this.parenthesized(() => this.position())
      case 'LINESTRING':
        return this.line()
      case 'POLYGON':
        return this.list(() => this.ring())
      case 'MULTIPOINT':
        // Both MULTIPOINT(1 2, 3 4) and MULTIPOINT((1 2), (3 4)) are spoken.
        return this.list(() =>
          this.token === '(' ? this.parenthesized(() => this.position()).slice(1, -1) : this.position(),
        )
      case 'MULTILINESTRING':
        return this.list(() => this.line())
      case 'MULTIPOLYGON':
        return this.list(() => this.list(() => this.ring()))
      case 'GEOMETRYCOLLECTION':
        return this.list(() => this.geometry(depth + 1))
      default:
        throw new InvalidGeography(`unknown geometry ${type.slice(0, 20)}`)
    }
  }

  private line(): string {
    let count = 0
    const body = this.list(() => {
      count++
      return this.position()
    })
    checkLine(count)
    return body
  }

  private ring(): string {
    const positions: string[] = []
    const body = this.list(() => {
      const at = this.position()
      positions.push(at)
      return at
    })
    checkRing(positions)
    return body
  }

  private position(): string {
    const longitude = this.number()
    return position(longitude, this.number())
  }

  private number(): number {
    const value = Number(this.token)
    if (this.token === '' || Number.isNaN(value))
      throw new InvalidGeography(`a number expected, not ${this.token.slice(0, 20) || 'the end'}`)
    this.advance()
    return value
  }

  private parenthesized(read: () => string): string {
    this.expect('(')
    const inner = read()
    this.expect(')')
    return `(${inner})`
  }

  private list(read: () => string): string {
    return this.parenthesized(() => {
      const items = [read()]
      while (this.token === ',') {
        this.advance()
        items.push(read())
      }
      return items.join(', ')
    })
  }
}

const GEOJSON_NAMES: Readonly<Record<string, string>> = {
  Point: 'POINT',
  LineString: 'LINESTRING',
  Polygon: 'POLYGON',
  MultiPoint: 'MULTIPOINT',
  MultiLineString: 'MULTILINESTRING',
  MultiPolygon: 'MULTIPOLYGON',
  GeometryCollection: 'GEOMETRYCOLLECTION',
}
const GEOMETRY_TYPES: ReadonlySet<string> = new Set(Object.values(GEOJSON_NAMES))

function fromGeoJson(text: string): string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new InvalidGeography('it is no valid JSON')
  }
  return geoJsonGeometry(value, 0)
}

function geoJsonGeometry(value: unknown, depth: number): string {
  if (depth > DEPTH_MAX) throw new InvalidGeography(`more than ${DEPTH_MAX} collections within each other`)
  const { type, coordinates, geometries } = (value ?? {}) as {
    type?: unknown
    coordinates?: unknown
    geometries?: unknown
  }
  const name = typeof type === 'string' && Object.hasOwn(GEOJSON_NAMES, type) ? GEOJSON_NAMES[type]! : undefined
  if (!name) throw new InvalidGeography(`unknown GeoJSON type ${String(type).slice(0, 50)}`)
  const items = listOf(name === 'GEOMETRYCOLLECTION' ? geometries : coordinates)
  if (items.length === 0) return `${name} ${EMPTY}`
  switch (name) {
    case 'POINT':
      return `POINT(${geoJsonPosition(items)})`
    case 'LINESTRING':
      return name + geoJsonLine(items)
    case 'POLYGON':
      return name + joined(items.map(geoJsonRing))
    case 'MULTIPOINT':
      return name + joined(items.map(geoJsonPosition))
    case 'MULTILINESTRING':
      return name + joined(items.map(geoJsonLine))
    case 'MULTIPOLYGON':
      return name + joined(items.map(item => joined(listOf(item).map(geoJsonRing))))
    default:
      return name + joined(items.map(item => geoJsonGeometry(item, depth + 1)))
  }
}

const joined = (items: readonly string[]): string => `(${items.join(', ')})`

function listOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new InvalidGeography('a GeoJSON list is missing')
  return value
}

function geoJsonPosition(value: unknown): string {
  const [longitude, latitude] = listOf(value)
  if (typeof longitude !== 'number' || typeof latitude !== 'number')
    throw new InvalidGeography('a GeoJSON position must be [longitude, latitude]')
  return position(longitude, latitude)
}

function geoJsonLine(value: unknown): string {
  const positions = listOf(value).map(geoJsonPosition)
  checkLine(positions.length)
  return joined(positions)
}

function geoJsonRing(value: unknown): string {
  const positions = listOf(value).map(geoJsonPosition)
  checkRing(positions)
  return joined(positions)
}
