/**
 * The thread of a campaign: fuzzes the product's targets, and follows the product's own code.
 *
 * @module
 */
import { targetNamed } from "./targets.ts"
import { serveJobs } from "./worker-jobs.ts"

serveJobs(targetNamed, (url) => /\/(packages|nodes)\/[^/]+\/src\//.test(url))
