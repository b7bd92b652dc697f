import { runAttacks } from './attack.ts'
import { deviceHop } from './hops/device.ts'
import { diskHop } from './hops/disk.ts'
import { fullHop } from './hops/full.ts'
import { processHop } from './hops/process.ts'
import { openScene } from './scene.ts'

// Whoever is at the box: at its disk, its devices, and the running program.
runAttacks('box', () => openScene('embedded'), [diskHop, fullHop, deviceHop, processHop])
