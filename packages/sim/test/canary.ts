/**
 * Preloaded before the simulator's program: breaks one place in one source on purpose.
 *
 * `SIM_CANARY` is JSON: `file` (the end of its path), and `from`, which must be in it exactly
 * once, to be replaced by `to`.
 *
 * @module
 */
import { registerHooks } from "node:module"

interface Canary {
  readonly file: string
  readonly from: string
  readonly to: string
}

const canary: Canary = JSON.parse(process.env.SIM_CANARY ?? "{}")

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.endsWith(`/${canary.file}`)) return loaded
    const source =
      typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source)
    const parts = source.split(canary.from)
    if (parts.length !== 2) {
      throw new Error(`the canary for ${canary.file} fits ${parts.length - 1} places, not one`)
    }
    return { ...loaded, source: parts.join(canary.to) }
  },
})
