import type { Vector } from '../vector.ts'
import { jsonVectors, memberVectors } from './bodies.ts'
import { boxVectors, trustVectors } from './boxes.ts'
import { doorVectors } from './doors.ts'
import { bundleVectors, keyfileVectors } from './files.ts'
import { keyVectors } from './keys.ts'
import { goodVectors } from './opened.ts'
import { badPublic, goodPublic } from './public.ts'

/** Every vector, the same bytes each time. */
export const makeVectors = (): Vector[] => [
  ...goodVectors(),
  ...jsonVectors(),
  ...memberVectors(),
  ...boxVectors(),
  ...trustVectors(),
  ...keyVectors(),
  ...goodPublic(),
  ...badPublic(),
  ...doorVectors(),
  ...bundleVectors(),
  ...keyfileVectors(),
]
