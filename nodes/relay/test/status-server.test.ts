import { connect } from "node:net"
import { afterEach, beforeEach, expect, test } from "vitest"
import { type StatusServer, serveStatus } from "../src/status-server.ts"

let server: StatusServer
beforeEach(async () => {
  const source = { isHealthy: async () => true, metrics: () => "up 1\n" }
  server = await serveStatus(source, { host: "127.0.0.1", port: 0 })
})
afterEach(() => server.close())

/** The status line of what comes back for this request line. */
function ask(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1")
    let answer = ""
    socket.on("data", (part) => {
      answer += part.toString()
    })
    socket.on("error", reject)
    socket.on("close", () => resolve(answer.split("\r\n")[0] ?? ""))
    socket.end(`${line}\r\nHost: status\r\nConnection: close\r\n\r\n`)
  })
}

test.each([
  ["GET /health HTTP/1.1", 200],
  ["GET /metrics?all HTTP/1.1", 200],
  ["GET http://elsewhere.example/health HTTP/1.1", 200],
  ["GET /other HTTP/1.1", 404],
  ["POST /health HTTP/1.1", 405],
  // What no URL can be made of ended the whole relay once.
  ["GET // HTTP/1.1", 404],
  ["GET //:x HTTP/1.1", 404],
  ["GET http://[ HTTP/1.1", 404],
])("%s is answered with %d", async (line, status) => {
  expect(await ask(line)).toMatch(`HTTP/1.1 ${status} `)
  expect(await ask("GET /health HTTP/1.1")).toMatch("HTTP/1.1 200 ")
})
