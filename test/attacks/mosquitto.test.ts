import { runAttacks } from './attack.ts'
import { commandHop } from './hops/command.ts'
import { receiptHop } from './hops/receipt.ts'
import { toldHop } from './hops/told.ts'
import { openScene } from './scene.ts'

// Whoever speaks to the boxes in the server's name, over a broker of another make.
runAttacks('mosquitto', () => openScene('mosquitto', '[uplink]\nheartbeat = "1s"\n'), [
  receiptHop,
  commandHop,
  toldHop,
])
