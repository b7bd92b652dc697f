import { runAttacks } from './attack.ts'
import { brokerHop } from './hops/broker.ts'
import { keysHop } from './hops/keys.ts'
import { pastHop } from './hops/past.ts'
import { registryHop } from './hops/registry.ts'
import { speakersHop } from './hops/speakers.ts'
import { openScene } from './scene.ts'

// Whoever comes to the server: at the broker's door, with forged statements, and to its registry.
runAttacks('server', () => openScene('embedded'), [pastHop, brokerHop, speakersHop, registryHop, keysHop])
