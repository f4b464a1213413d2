/**
 * A page in a real browser, from a server on loopback: a secure origin, with a database of its own.
 *
 * @module
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import chromium from "@sparticuz/chromium"
import { type Page, chromium as playwright } from "playwright-core"

export interface ServedPage extends AsyncDisposable {
  readonly page: Page
  /** What the page wrote to its console as errors, and what it did not catch. */
  readonly complaints: readonly string[]
}

/** @param modules - By path, such as `/store.js`. */
export async function openPage(modules: ReadonlyMap<string, string>): Promise<ServedPage> {
  await using opened = new AsyncDisposableStack()
  const server = createServer((request, response) => {
    const module = modules.get(request.url ?? "")
    const type = module === undefined ? "text/html" : "text/javascript"
    response.writeHead(200, { "content-type": `${type}; charset=utf-8` })
    response.end(module ?? "<!doctype html><title>Fulcrum</title>")
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  opened.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const browser = await playwright.launch({
    executablePath: await chromium.executablePath(),
    args: chromium.args,
    headless: true,
  })
  opened.defer(() => browser.close())
  const context = await browser.newContext()
  const page = await context.newPage()
  const complaints: string[] = []
  page.on("pageerror", (error) => complaints.push(String(error)))
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text())
  })
  await page.goto(`http://127.0.0.1:${portOf(server.address())}/`)
  const all = opened.move()
  return { page, complaints, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** Calls what a module exports, in a page. */
export function callIn<T>(
  page: Page,
  module: string,
  name: string,
  ...args: readonly string[]
): Promise<T> {
  // As text: the test's runner would rewrite the import of a function.
  return page.evaluate(`import("${module}").then((all) => all.${name}(...${JSON.stringify(args)}))`)
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address !== "object" || address === null) throw new Error("this server has no port")
  return address.port
}
