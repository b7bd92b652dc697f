import { runAttacks } from './attack.ts'
import { clockHop } from './hops/clock.ts'
import { lineHop } from './hops/line.ts'
import { routeHop } from './hops/route.ts'
import { openScene } from './scene.ts'

// Whoever is on the way from the box to the server: on its line, at its clock, in its route.
runAttacks('line', () => openScene('embedded'), [lineHop, clockHop, routeHop])
