/** How far a box told to be: the signing key that counts, and the one that it proposed to go on under. */
export interface Step {
  phase: 'requested' | 'accepted' | 'provisioned'
  /** Base64url. */
  sign: string
  next?: string
}
