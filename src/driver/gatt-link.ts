/** One step at the beginning of a BLE session. Characteristics: 4 hex digits, or a whole UUID in lower case. */
export type BleStep =
  /** Read once; the value is a payload for the driver. Passed over where the device has no such one. */
  | { read: string }
  /** The device's clock is read, compared and set: Date Time or Current Time. Passed over where there is none. */
  | { clock: '2a08' | '2a2b' }
  /** Indications or notifications are listened to, until the session ends. */
  | { hear: string; must?: true }
  /** Bytes in hex are written; where `answer` is given, an indication that begins so is waited for. */
  | { write: string; bytes: string; answer?: string }

/** How a BLE device is reached, and what a session with it is. */
export interface BleLink {
  ble: {
    /** The service that such a device offers. It proposes the driver. */
    service: string
    /** Whether it must be bonded before it is read. One that need not be is known by its address alone. */
    bond: boolean
    /** Whether it keeps measurements and hands them over later: then a reading's age is judged by its clock. */
    stores: boolean
    /** In this order: some devices send only after their clock was set, some only before. */
    begin: readonly BleStep[]
    /** The session ends so long after the last value (5,000 if not said). */
    quietMs?: number
  }
}
