/**
 * [E4] A full disk under whole programs: nothing acknowledged is lost, what is there can be read,
 * and it goes on by itself once there is room.
 *
 * The small file systems are mounted in a namespace of their own, which takes root or a kernel that
 * lets users have one; where neither is so, the test says that it was left out.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { expect, test } from "vitest"

const SCRIPT = join(import.meta.dirname, "children", "full-disk.ts")

test("[R23] [E4] a device and a relay on full disks lose nothing, are read, and go on by themselves", async (context) => {
  const unshare = ["unshare", ...(process.getuid?.() === 0 ? ["-m"] : ["-m", "-r"])]
  const canMount = [...unshare.slice(1), "mount", "-t", "tmpfs", "none", "/mnt"]
  if (spawnSync("unshare", canMount).status !== 0) {
    context.skip("a small file system cannot be mounted here: it takes `unshare -m` and tmpfs")
  }
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", SCRIPT]
  const child = spawn("unshare", [...unshare.slice(1), ...node], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  let [stdout, stderr] = ["", ""]
  child.stdout.on("data", (text) => {
    stdout += text
  })
  child.stderr.on("data", (text) => {
    stderr += text
  })
  await new Promise((resolve) => child.once("close", resolve))
  expect(stderr).toBe("")
  const full = {
    refused: "STORE_FULL",
    status: 1,
    lines: 1,
    readWhileFull: true,
    readAfterwards: true,
  }
  expect(JSON.parse(stdout)).toEqual({
    commands: full,
    daemon: full,
    daemonLives: true,
    waits: true,
    relayLives: true,
    readWhileRelayFull: true,
    relayKept: true,
    keptAll: true,
    doctor: true,
  })
}, 400_000)
