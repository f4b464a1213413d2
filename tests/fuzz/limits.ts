/**
 * Limits of one run of the fuzzer.
 *
 * @module
 */

/** Inputs for which coverage is taken together. */
export const BATCH_INPUTS = 512

/** Different finds after which a run ends. */
export const FINDS_MAX = 10

/** Most inputs that one worker runs under one seed; more are split over several seeds. */
export const JOB_RUNS_MAX = 250_000

/** How long one input may keep a worker busy before it is said to hang, in milliseconds. */
export const HANG_MS = 30_000

/** Most memory of one worker, in MB, beside what buffers take. */
export const WORKER_HEAP_MB_MAX = 768
