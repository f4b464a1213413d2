/**
 * What a run that failed says.
 *
 * @module
 */

export type SimErrorCode =
  /** Nothing is left that could happen, and the run is not done: something waits for ever. */
  | "SIM_STUCK"
  /** It took more virtual time than it may. */
  | "SIM_SLOW"
  /** Something acknowledged is gone. */
  | "SIM_LOST"
  /** One place in a log has two contents, and nobody noticed. */
  | "SIM_FORK"
  /** A replica had less after it was opened again than it had shown before. */
  | "SIM_BACKWARDS"
  /** A peer was said to hold what it does not. */
  | "SIM_FALSE_CLAIM"
  /** Something forged or changed was taken. */
  | "SIM_FORGED"
  /** Somebody was shown what was not disclosed, or saw an old value return. */
  | "SIM_LEAK"
  /** Entries came out of order, twice, or not as they went in. */
  | "SIM_ORDER"
  /** Replicas did not come to the same, though nothing stood in their way any more. */
  | "SIM_DIVERGED"
  /** A relay that never contradicted itself is said to have. */
  | "SIM_ACCUSED"
  /** A disk on which a bit had flipped was taken for a good one. */
  | "SIM_UNNOTICED"
  /** A nonce or a salt was used twice under one key. */
  | "SIM_REUSED"
  /** Two runs of one seed went two ways. */
  | "SIM_UNREPEATABLE"
  /** It took more real time than it may, or its process ended. */
  | "SIM_HUNG"
  | "SIM_DIED"
  /** A part under test failed in a way that it never may. */
  | "SIM_BROKE"

export class SimError extends Error {
  override readonly name = "SimError"
  readonly code: SimErrorCode

  constructor(code: SimErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
