/**
 * Bundles for a browser, as a page that uses the packages would be built.
 *
 * @module
 */
import { build } from "esbuild"

/**
 * @param entry - TypeScript of a module, as if it lay in `folder`.
 * @throws What cannot be resolved without Node.
 */
export async function bundle(entry: string, folder: string): Promise<string> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: entry, resolveDir: folder, loader: "ts" },
    bundle: true,
    platform: "browser",
    format: "esm",
    target: "es2023",
    write: false,
    metafile: true,
    logLevel: "silent",
  })
  const outside = Object.values(metafile.outputs).flatMap(({ imports }) => imports)
  if (outside.length > 0) throw new Error(`left outside: ${outside.map(({ path }) => path)}`)
  const [file] = outputFiles
  if (file === undefined) throw new Error("esbuild made nothing")
  return file.text
}
