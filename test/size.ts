/** Whether the large counts are wanted, and what takes long: `scripts/test --release`. */
export const isRelease = process.env.VITALGATE_RELEASE === '1'
