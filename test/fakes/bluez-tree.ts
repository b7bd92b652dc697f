import { Message, type MessageBus, type Variant } from 'dbus-next'

/** An error with the name that BlueZ gives it. */
export class Refusal extends Error {
  readonly type: string

  constructor(type: string, text: string) {
    super(text)
    this.type = type
  }
}

/** An error of BlueZ itself: `refusal('NotReady', 'Resource Not Ready')`. */
export const refusal = (name: string, text: string): Refusal => new Refusal(`org.bluez.Error.${name}`, text)

/** A method: the signatures of what it takes and gives, and what it does for which client (its unique name). */
export interface Method {
  takes?: string
  gives?: string
  run(client: string, ...args: never[]): unknown[] | undefined | Promise<unknown[] | undefined>
}

/** One interface of an object. */
export interface Face {
  /** As they are now; a property that is undefined does not exist at the moment. */
  properties(): Record<string, Variant | undefined>
  methods?: Record<string, Method>
  /** The properties that a client may set. */
  set?: Record<string, (value: never) => void>
}
export type Faces = Readonly<Record<string, Face>>

/** The objects of one life of bluetoothd, as clients see them. */
export interface Tree {
  /** Exports an object and tells of it. */
  put(path: string, faces: Faces): void
  /** Takes away an object and all below it, and tells so. */
  take(path: string): void
  has(path: string): boolean
  /** Tells clients what these properties are now; those that do not exist are invalidated. */
  changed(path: string, name: string, ...properties: string[]): void
}

const standard = `
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect"><arg type="s" direction="out"/></method>
  </interface>
  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get"><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="v" direction="out"/></method>
    <method name="Set"><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="v" direction="in"/></method>
    <method name="GetAll"><arg type="s" direction="in"/><arg type="a{sv}" direction="out"/></method>
    <signal name="PropertiesChanged"><arg type="s"/><arg type="a{sv}"/><arg type="as"/></signal>
  </interface>`

const objectManager = `
  <interface name="org.freedesktop.DBus.ObjectManager">
    <method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
    <signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal>
    <signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal>
  </interface>`

type Properties = Record<string, Variant>

/** The complete types of a signature: `a{sv}ay` is two. */
const typesOf = (signature: string): string[] =>
  signature.match(/a*(?:\((?:[^()]|\([^()]*\))*\)|\{(?:[^{}]|\{[^{}]*\})*\}|[a-z])/g) ?? []

const present = (face: Face): Properties =>
  Object.fromEntries(
    Object.entries(face.properties()).filter((entry): entry is [string, Variant] => entry[1] !== undefined),
  )

function describe(name: string, face: Face): string {
  const args = (signature: string | undefined, way: string): string =>
    typesOf(signature ?? '').reduce((text, type) => `${text}<arg type="${type}" direction="${way}"/>`, '')
  const methods = Object.entries(face.methods ?? {}).map(
    ([member, { takes, gives }]) =>
      `<method name="${member}">${args(takes, 'in')}${args(gives, 'out')}</method>`,
  )
  const properties = Object.entries(present(face)).map(
    ([member, { signature }]) =>
      `<property name="${member}" type="${signature}" access="${face.set?.[member] ? 'readwrite' : 'read'}"/>`,
  )
  return `<interface name="${name}">${methods.join('')}${properties.join('')}</interface>`
}

/**
 * Serves a tree of objects on a connection, which answers nothing else from now on. Members named in `silent` are
 * never answered; `broke` hears of faults of the fake itself.
 */
export function serveTree(
  bus: MessageBus,
  silent: ReadonlySet<string>,
  broke: (error: unknown) => void,
): Tree {
  const objects = new Map<string, Faces>()

  const send = (message: Message): void => {
    try {
      bus.send(message)
    } catch {
      // the bus is gone, and with it everybody who could have heard this
    }
  }
  const signal = (path: string, face: string, member: string, signature: string, body: unknown[]): void =>
    send(Message.newSignal(path, `org.freedesktop.DBus.${face}`, member, signature, body))

  const all = (faces: Faces): Record<string, Properties> =>
    Object.fromEntries(Object.entries(faces).map(([name, face]) => [name, present(face)]))

  const faceOf = (path: string, name: string): Face => {
    const faces = objects.get(path)
    if (faces === undefined)
      throw new Refusal('org.freedesktop.DBus.Error.UnknownObject', `no object ${path}`)
    const face = faces[name]
    if (face === undefined)
      throw new Refusal('org.freedesktop.DBus.Error.UnknownInterface', `no interface ${name}`)
    return face
  }

  // as libdbus: an object that is not there has an empty description and is no error
  const introspect = (path: string): string => {
    const below = path === '/' ? '/' : `${path}/`
    const children = new Set([...objects.keys()].flatMap(other => childOf(other, below)))
    const faces = Object.entries(objects.get(path) ?? {}).map(([name, face]) => describe(name, face))
    const own = path === '/' ? [standard, objectManager] : faces.length > 0 ? [standard, ...faces] : []
    const nodes = [...children].map(child => `<node name="${child}"/>`)
    return `<node>${own.join('')}${nodes.join('')}</node>`
  }

  const standardAnswer = (message: Message): [string, unknown[]] | undefined => {
    const { path, interface: name, member } = message
    const [face = '', property = '', value] = message.body as [string?, string?, Variant?]
    switch (`${name.replace('org.freedesktop.DBus.', '')}.${member}`) {
      case 'Introspectable.Introspect':
        return ['s', [introspect(path)]]
      case 'Peer.Ping':
        return ['', []]
      case 'ObjectManager.GetManagedObjects':
        return path === '/'
          ? ['a{oa{sa{sv}}}', [Object.fromEntries([...objects].map(([each, faces]) => [each, all(faces)]))]]
          : undefined
      case 'Properties.GetAll':
        return ['a{sv}', [present(faceOf(path, face))]]
      case 'Properties.Get': {
        const found = present(faceOf(path, face))[property]
        if (found !== undefined) return ['v', [found]]
        throw new Refusal('org.freedesktop.DBus.Error.InvalidArgs', `No such property '${property}'`)
      }
      case 'Properties.Set': {
        const set = faceOf(path, face).set?.[property]
        if (set === undefined) {
          throw new Refusal(
            'org.freedesktop.DBus.Error.PropertyReadOnly',
            `Property '${property}' is not writable`,
          )
        }
        set(value?.value as never)
        return ['', []]
      }
      default:
        return undefined
    }
  }

  const answer = async (message: Message): Promise<[string, unknown[]]> => {
    const known = standardAnswer(message)
    if (known !== undefined) return known
    const method = faceOf(message.path, message.interface).methods?.[message.member]
    if (method === undefined) {
      throw new Refusal('org.freedesktop.DBus.Error.UnknownMethod', `no method ${message.member}`)
    }
    if (message.signature !== (method.takes ?? '')) {
      throw new Refusal('org.freedesktop.DBus.Error.InvalidArgs', `${message.member} takes ${method.takes}`)
    }
    return [method.gives ?? '', (await method.run(message.sender, ...(message.body as never[]))) ?? []]
  }

  bus.addMethodHandler(message => {
    if (silent.has(message.member)) return true
    answer(message).then(
      ([signature, body]) => send(Message.newMethodReturn(message, signature, body)),
      (error: unknown) => {
        if (!(error instanceof Refusal)) broke(error)
        const type = error instanceof Refusal ? error.type : 'org.freedesktop.DBus.Error.Failed'
        send(Message.newError(message, type, error instanceof Error ? error.message : String(error)))
      },
    )
    return true
  })

  return {
    put(path, faces) {
      objects.set(path, faces)
      signal('/', 'ObjectManager', 'InterfacesAdded', 'oa{sa{sv}}', [path, all(faces)])
    },
    take(path) {
      const gone = [...objects.keys()].filter(each => each === path || each.startsWith(`${path}/`))
      for (const each of gone.reverse()) {
        const names = Object.keys(objects.get(each) ?? {})
        objects.delete(each)
        signal('/', 'ObjectManager', 'InterfacesRemoved', 'oas', [each, names])
      }
    },
    has: path => objects.has(path),
    changed(path, name, ...properties) {
      const face = objects.get(path)?.[name]
      if (face === undefined) return
      const now = present(face)
      const there = properties.filter(property => now[property] !== undefined)
      const gone = properties.filter(property => now[property] === undefined)
      const values = Object.fromEntries(there.map(property => [property, now[property]]))
      signal(path, 'Properties', 'PropertiesChanged', 'sa{sv}as', [name, values, gone])
    },
  }
}

/** The name of the child of `below` that leads to a path; none or one. */
function childOf(path: string, below: string): string[] {
  if (!path.startsWith(below)) return []
  const child = path.slice(below.length).split('/')[0]
  return child === undefined || child === '' ? [] : [child]
}
