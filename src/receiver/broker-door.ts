import type { Socket } from 'node:net'

/** How many may wait at the door. */
export interface DoorLimits {
  /** In all. */
  waiting: number
  /** From one address. */
  perAddress: number
}

/**
 * Who waits to prove himself: from the connection to the moment where MQTT lets a client in. Whoever waits
 * costs nothing to make, so nobody is kept out for them: a newcomer always comes in, and where there are too
 * many, one goes from the address that has most: the oldest that has not said a byte, else the oldest. One
 * that means to speak TLS speaks first (RFC 8446, 4.1.2), and its hello comes right behind the connection
 * however far away it is: so those that say nothing push out only each other.
 */
export function openDoor(limits: DoorLimits, turnAway: (socket: Socket, waiting: number) => void) {
  const waiting = new Map<string, { socket: Socket; address: string | undefined }>()

  const makeRoom = (crowd: [string, { socket: Socket }][]): void => {
    const [key, { socket }] = crowd.find(([, one]) => one.socket.bytesRead === 0) ?? crowd[0]!
    waiting.delete(key)
    turnAway(socket, crowd.length)
  }

  return {
    /** A newcomer waits, until he leaves or is let in. */
    enter: (socket: Socket): void => {
      const address = socket.remoteAddress
      const neighbours = [...waiting].filter(([, one]) => one.address === address)
      if (neighbours.length >= limits.perAddress) makeRoom(neighbours)
      else if (waiting.size >= limits.waiting) {
        const crowds = [...Map.groupBy(waiting, ([, one]) => one.address).values()]
        makeRoom(crowds.reduce((most, crowd) => (crowd.length > most.length ? crowd : most)))
      }
      const key = wayOf(socket)
      waiting.set(key, { socket, address })
      socket.on('close', () => {
        if (waiting.get(key)?.socket === socket) waiting.delete(key)
      })
    },
    /** He has proven himself and waits no longer. */
    letIn: (socket: Socket): void => {
      waiting.delete(wayOf(socket))
    },
  }
}

/** What a plain socket and the TLS socket over it have in common, and no two others at a time. */
const wayOf = ({ localAddress, remoteAddress, remotePort }: Socket): string =>
  `${localAddress} ${remoteAddress} ${remotePort}`
