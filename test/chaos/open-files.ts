import { readdirSync } from 'node:fs'

/** Descriptors that a process has open. */
export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length
