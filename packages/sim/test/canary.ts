/**
 * Preloaded before the simulator's program: breaks some places of the sources on purpose.
 *
 * `SIM_CANARY` is JSON: a list of patches as in `canaries.ts`.
 *
 * @module
 */
import { registerHooks } from "node:module"
import type { Patch } from "./canaries.ts"

const patches: readonly Patch[] = JSON.parse(process.env.SIM_CANARY ?? "[]")

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const own = patches.filter(({ file }) => url.endsWith(`/packages/${file}`))
    if (own.length === 0) return loaded
    let source =
      typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source)
    for (const { file, from, to } of own) {
      const parts = source.split(from)
      if (parts.length !== 2) {
        throw new Error(`the canary for ${file} fits ${parts.length - 1} places, not one`)
      }
      source = parts.join(to)
    }
    return { ...loaded, source }
  },
})
