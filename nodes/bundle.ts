/**
 * Bundles the three programs, so that they start in two thirds of the time: some thousand modules become a few.
 *
 * `npm ci` runs it (`prepare`), and `npm run prepare` after a change. The launchers use what it made as long as
 * no source is newer, and the checkout is where it was; otherwise, and without it, they run the sources.
 *
 * @module
 */
import { mkdir, readdir, rename, rm, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { build } from "esbuild"

const root = join(import.meta.dirname, "..")
const folder = join(root, "node_modules/.cache/fulcrum")

/** These bring machine code, or a file beside them, and are loaded from where they are. */
const EXTERNAL = ["@automerge/automerge", "classic-level", "@napi-rs/keyring"]

/** Some dependencies are CommonJS, and ask for what Node brings. */
const BANNER = `import { createRequire as fulcrumRequire } from "node:module"
const require = fulcrumRequire(import.meta.url)`

const ENTRIES = {
  device: "nodes/device/src/main.ts",
  vendor: "nodes/vendor/src/main.ts",
  relay: "nodes/relay/src/main.ts",
  // Threads start from the file beside whoever starts them.
  "worker-main": "packages/record/src/worker-main.ts",
}

const begun = new Date()
const made = join(folder, `bundle-${process.pid}`)
const bundle = join(folder, "bundle")
try {
  await build({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outdir: made,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    external: EXTERNAL,
    banner: { js: BANNER },
    logLevel: "error",
  })
  const stamp = join(made, "made")
  await writeFile(stamp, `${root}\n`)
  // As old as what was read: what is changed from now on is newer.
  await utimes(stamp, begun, begun)
  await mkdir(bundle, { recursive: true })
  // Chunks are named by what is in them: those of before stay, for programs that run and load more of them.
  const last = [...Object.keys(ENTRIES).map((entry) => `${entry}.js`), "made"]
  const chunks = (await readdir(made)).filter((name) => !last.includes(name))
  for (const name of [...chunks, ...last]) await rename(join(made, name), join(bundle, name))
} catch (error) {
  console.error(`no bundle, so programs start from their sources: ${String(error)}`)
} finally {
  await rm(made, { recursive: true, force: true })
}
