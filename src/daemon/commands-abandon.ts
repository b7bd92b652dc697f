import { Fault } from '../base/fault.ts'
import { givenDetail } from '../outbox/abandon.ts'
import type { Abandoning } from './abandon.ts'
import { type Act, done } from './commands.ts'

/** Gives up rows that nobody will sign for, by the order that came with the command. */
export const abandonAct = (abandoning: Pick<Abandoning, 'give'>): Act<'abandon'> => ({
  async act(intent, end, what, order) {
    if (order === null) throw new Fault('command.unordered', 'abandon came without an operator’s order')
    return done(givenDetail(await abandoning.give(what, intent, order, end)))
  },
})
