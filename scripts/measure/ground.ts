import { siteBox } from '../scenario/site.ts'
import { copyState } from './box.ts'
import { withReceiver } from './ends.ts'
import { fillOutbox } from './fill.ts'
import { acceptScales, openScales, type Scales } from './scales.ts'
import type { Stage } from './stage.ts'

/** A site that is ready to be measured: nothing runs, and the box has scales that its server accepts. */
export interface Ground {
  stage: Stage
  scales: Scales
  /** State folder of the box. */
  whole: string
  /**
   * A copy of the box as it was before anything was measured, to be thrown away: for the sink, whose receipts no
   * receiver knows of; with rows that wait for the server, where some are asked for.
   */
  alone(name: string, rows?: number): Promise<string>
  /** Puts rows into the outbox of a box that does not run; rows a second. */
  fill(state: string, rows: number): Promise<number>
}

/** Lays the lines, adds the scales to the box, and has the operator accept them. */
export async function prepareGround(stage: Stage): Promise<Ground> {
  const { state: whole, gateway } = siteBox(stage.site)
  const scales = await openScales(stage)
  await withReceiver(stage, whole, async ({ box }) => {
    await scales.add(box)
    await stage.until('the proposals receipted', box.drained)
    await acceptScales(stage, gateway, scales.count)
  })
  const first = copyState(stage, whole, 'first')
  let copies = 0
  const fill = async (state: string, rows: number): Promise<number> => {
    stage.tell(`  filling an outbox with ${rows.toLocaleString('en')} readings`)
    return rows / (await fillOutbox(state, scales.port, rows))
  }
  return {
    ...{ stage, scales, whole, fill },
    async alone(name, rows = 0) {
      const copy = copyState(stage, first, `${name}-${++copies}`)
      if (rows > 0) await fill(copy, rows)
      return copy
    },
  }
}
