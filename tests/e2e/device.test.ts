/**
 * One device alone, as its owner uses it: real folders, real processes, no network but loopback.
 *
 * @module
 */
import { execFile } from "node:child_process"
import { readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Stage } from "../harness/programs.ts"

const VCARD = [
  "BEGIN:VCARD",
  "VERSION:4.0",
  "FN:Ada Quillfeather",
  "TEL;TYPE=home:+49 30 901820",
  "EMAIL;TYPE=home:ada@quillfeather.example",
  "END:VCARD",
  "",
].join("\r\n")

/** By then a command reads what it begins with. */
const READING_MS = 2000

let stage: Stage

beforeAll(async () => {
  stage = await Stage.create()
  await writeFile(join(stage.folder, "me.vcf"), VCARD)
})
afterAll(() => stage[Symbol.asyncDispose]())

const json = (home: string, ...args: string[]): Promise<unknown> =>
  stage.json("fulcrum", home, [...args, "--no-mdns"])

const fulcrum = (home: string, ...args: string[]) =>
  stage.run("fulcrum", home, [...args, "--no-mdns"])

async function begin(home: string): Promise<void> {
  expect(await json(home, "init", "--name", "laptop", "--no-passphrase")).toMatchObject({
    device: { name: "laptop" },
    relays: [],
    held: [],
  })
}

describe("a record on one device", () => {
  test("init tells 24 words once, in text too, and warns of a plain key", async () => {
    const { status, stdout, stderr } = await fulcrum(
      "words",
      "init",
      "--name",
      "laptop",
      "--no-passphrase",
    )
    expect({ status, stderr }).toMatchObject({ status: 0 })
    expect(stdout.match(/\b\d{1,2} {2}[a-z]+\b/g)).toHaveLength(24)
    expect(stderr).toContain("No passphrase")
    const again = await fulcrum("words", "init", "--no-passphrase")
    expect(again.status).toBe(1)
    expect(again.stderr).toContain("(RECORD_EXISTS)")
    expect(again.stdout).toBe("")
  })

  test("import, get, set, unset, history and undo, each in a process of its own", async () => {
    await begin("edits")
    expect(await json("edits", "import", "me.vcf")).toMatchObject({
      files: [{ file: "me.vcf", cards: 1 }],
    })
    expect(await json("edits", "get", "card/name/full")).toBe("Ada Quillfeather")
    const phone = "card/phones/home/number"
    expect(await json("edits", "set", phone, "+41 44 123 45 67")).toMatchObject({
      changed: [phone],
      reaches: [],
    })
    expect((await fulcrum("edits", "get", phone)).stdout).toBe("+41 44 123 45 67\n")
    expect(await json("edits", "undo")).toMatchObject({ changed: [phone] })
    expect(await json("edits", "get", phone)).toBe("+49 30 901820")
    await json("edits", "unset", phone)
    expect(await json("edits", "get", phone)).toBeNull()
    await json("edits", "undo")
    const rows = await json("edits", "history", phone)
    expect(rows).toMatchObject(
      expect.arrayContaining([expect.objectContaining({ path: phone, device: "laptop" })]),
    )
  })

  test("an unknown path names the nearest, with status 1", async () => {
    const { status, stdout, stderr } = await fulcrum("edits", "set", "card/phnes/home", "1")
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" })
    expect(stderr).toMatch(/^fulcrum: .*card\/phones.* \(PATH_UNKNOWN\): .+\n$/)
  })

  test("export gives back what was imported", async () => {
    const { stdout } = await fulcrum("edits", "export", "--format", "vcard")
    expect(stdout).toContain("FN:Ada Quillfeather\r\n")
    expect(await json("edits", "export", "--format", "jscontact")).toMatchObject({
      name: { full: "Ada Quillfeather" },
    })
  })

  test("doctor and status are content", async () => {
    expect(await json("edits", "doctor")).toMatchObject({ ok: true })
    expect(await json("edits", "status")).toMatchObject({ device: "laptop", held: [] })
  })

  test("[R19] nothing in the folder is plaintext", async () => {
    const home = stage.home("edits")
    const names = await readdir(home, { recursive: true })
    for (const name of names) {
      const path = join(home, name)
      if (!(await stat(path)).isFile()) continue
      const bytes = await readFile(path)
      for (const needle of ["Quillfeather", "901820", "card", "phones", "laptop"]) {
        expect(bytes.includes(needle), `${needle} in ${name}`).toBe(false)
      }
    }
  })
})

describe("the daemon", () => {
  test("serves every command, keeps its port, and goes within two seconds", async () => {
    await begin("daemon")
    const listen = ["up", "--listen", "/ip4/127.0.0.1/tcp/0", "--no-mdns", "--json"]
    const daemon = await stage.start("fulcrum", "daemon", listen)
    const { addresses, http } = await daemon.ready()
    expect(addresses[0]).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3KooW/)
    expect(http).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)

    expect(await json("daemon", "set", "card/name/full", "Ada")).toEqual({
      changed: ["card/name"],
      reaches: [],
    })
    expect((await fulcrum("daemon", "get", "card/name/full")).stdout).toBe("Ada\n")
    const missing = await fulcrum("daemon", "set", "card/nme", "x")
    expect(missing.status).toBe(1)
    expect(missing.stderr).toContain("(PATH_UNKNOWN)")
    const second = await fulcrum("daemon", "up")
    expect(second.stderr).toContain("(DAEMON_RUNNING)")

    const begun = performance.now()
    expect((await daemon.stop()).status).toBe(0)
    expect(performance.now() - begun).toBeLessThan(2_000)
    await expect(stat(join(stage.home("daemon"), "daemon.json"))).rejects.toMatchObject({
      code: "ENOENT",
    })

    const again = await stage.start("fulcrum", "daemon", listen)
    const portOf = (address: string | undefined) => address?.split("/")[4]
    expect(portOf((await again.ready()).addresses[0])).toBe(portOf(addresses[0]))
    await again.stop()
    expect(await json("daemon", "get", "card/name/full")).toBe("Ada")
  })

  test("killed at once, it leaves a stale file that no command minds", async () => {
    await begin("killed")
    const listen = ["up", "--listen", "/ip4/127.0.0.1/tcp/0", "--no-mdns", "--json"]
    const daemon = await stage.start("fulcrum", "killed", listen)
    await daemon.ready()
    expect(await json("killed", "set", "card/name/full", "Ada")).toMatchObject({
      changed: ["card/name"],
    })
    daemon.kill("SIGKILL")
    await daemon.finished
    expect(await json("killed", "get", "card/name/full")).toBe("Ada")
  })
})

describe("a second device", () => {
  test("joins with a code once both screens show the same words, and has everything", async () => {
    await begin("first")
    await json("first", "import", "me.vcf")
    const listen = ["up", "--listen", "/ip4/127.0.0.1/tcp/0", "--no-mdns", "--json"]
    const daemon = await stage.start("fulcrum", "first", listen)
    await daemon.ready()
    const pairing = await stage.start("fulcrum", "first", ["pair", "--json", "--no-mdns"])
    const shown = JSON.parse(await pairing.line((line) => line.includes('"code"')))
    const [address = ""] = shown.addresses
    const joining = stage.run(
      "fulcrum",
      "second",
      ["join", shown.code, "--at", address, "--name", "phone", "--no-passphrase", "--no-mdns"],
      { input: "y\n" },
    )
    const { asking } = JSON.parse(await pairing.line((line) => line.includes('"asking"')))
    expect(asking.name).toBe("phone")
    pairing.write("y\n", { end: true })
    const joined = await joining
    expect(joined).toMatchObject({ status: 0, stdout: "Joined as phone, one of 2 devices.\n" })
    expect(joined.stderr).toContain(`Check words: ${asking.words.join(" ")}`)
    const paired = await pairing.finished
    expect(paired.status).toBe(0)
    expect(paired.stdout.trim().split("\n").at(-1)).toBe('{"device":"phone"}')
    expect(await json("second", "get", "card/name/full")).toBe("Ada Quillfeather")
    await json("first", "devices", "rename", "phone", "pocket")
    await json("second", "sync")
    await daemon.stop()
    expect(await json("second", "devices")).toMatchObject([
      { name: "laptop", isThis: false, addedBy: { by: "itself" }, lag: { behind: 0, ahead: 0 } },
      { name: "pocket", isThis: true, addedBy: { by: "device", name: "laptop" } },
    ])
    const { stdout } = await fulcrum("first", "devices")
    const system = expect.stringMatching(/^(Linux|macOS|Windows)/)
    expect(stdout.split("\n").map((row) => row.split(/ {2,}/))).toMatchObject([
      ["name", "kind", "added by", "last seen", "holds"],
      ["laptop", system, "itself", "this device", "what is here"],
      ["pocket", system, "laptop", expect.stringMatching(/^just now$|ago$/), "in step then"],
      [""],
    ])
  })

  test("is removed once its person has read what that comes to", async () => {
    const args = ["devices", "revoke", "pocket", "--wait", "0", "--no-mdns"]
    const { stdout, stderr } = await stage.run("fulcrum", "first", args, { input: "y\n" })
    expect(stdout).toContain("It has already, and nothing can take that back:")
    expect(stderr).toContain("Remove pocket for good? [Y/n]")
    const rows = await json("first", "devices")
    expect(rows).toMatchObject([{}, { state: "removed", removedBy: [{ name: "laptop" }] }])
  })

  test("is not added when the answer is no", async () => {
    const pairing = await stage.start("fulcrum", "first", [
      ...["pair", "--listen", "/ip4/127.0.0.1/tcp/0", "--json", "--no-mdns"],
    ])
    const shown = JSON.parse(await pairing.line((line) => line.includes('"code"')))
    const [address = ""] = shown.addresses
    const joining = stage.run("fulcrum", "third", [
      "join",
      shown.code,
      "--at",
      address,
      "--no-passphrase",
      "--no-mdns",
      "--yes",
    ])
    await pairing.line((line) => line.includes('"asking"'))
    pairing.write("n\n", { end: true })
    const [refused, joined] = [await pairing.finished, await joining]
    expect(JSON.parse(refused.stderr.trim().split("\n").at(-1) ?? "")).toMatchObject({
      error: { code: "PAIR_DECLINED" },
    })
    expect({ refused: refused.status, joined: joined.status }).toEqual({ refused: 1, joined: 1 })
    expect(joined.stderr).toMatch(/\(PAIR_[A-Z_]+\): .+\n$/)
  })
})

describe("commands that go on", () => {
  test("end with 0 when they are interrupted, with nothing open but themselves", async () => {
    await begin("watched")
    for (const args of [
      ["status", "--watch"],
      ["board", "--watch"],
    ]) {
      const watching = await stage.start("fulcrum", "watched", [...args, "--json", "--no-mdns"])
      expect(await watching.ready()).toEqual({ ready: true, addresses: [] })
      watching.kill("SIGINT")
      expect(await watching.finished).toMatchObject({ status: 0, stderr: "" })
    }
  })

  test("are waited for by another command on the same folder, then told of", async () => {
    const watching = await stage.start("fulcrum", "watched", [
      "status",
      "--watch",
      "--json",
      "--no-mdns",
    ])
    await watching.ready()
    const { status, stderr } = await fulcrum("watched", "get")
    expect(status).toBe(1)
    expect(stderr).toMatch(/^fulcrum: this folder is in use .+ \(STORE_LOCKED\): .+\n$/)
    await watching.stop()
  })
})

describe("a passphrase", () => {
  test("from a file opens the record, and a wrong one does not", async () => {
    const run = async (file: string, ...args: string[]) => {
      const path = join(stage.folder, file)
      return await stage.run("fulcrum", "sealed", [...args, "--no-mdns"], {
        env: { FULCRUM_PASSPHRASE_FILE: path },
      })
    }
    await writeFile(join(stage.folder, "right"), "correct horse\n", { mode: 0o600 })
    await writeFile(join(stage.folder, "wrong"), "battery staple\n", { mode: 0o600 })
    expect((await run("right", "init", "--name", "laptop", "--yes")).status).toBe(0)
    expect((await run("right", "set", "card/name/full", "Ada")).status).toBe(0)
    const wrong = await run("wrong", "get")
    expect({ status: wrong.status, stdout: wrong.stdout }).toEqual({ status: 1, stdout: "" })
    expect(wrong.stderr).toMatch(/^fulcrum: .+ \(KEY_WRONG\): .+\n$/)
    const none = await fulcrum("sealed", "get")
    expect(none.stderr).toContain("(PASSPHRASE_NEEDED)")
  })

  test.runIf(process.platform !== "win32")(
    "that never comes is not waited for once the program is to end",
    async () => {
      const pipe = join(stage.folder, "pipe")
      await promisify(execFile)("mkfifo", ["-m", "600", pipe])
      const waiting = await stage.start("fulcrum", "piped", ["init", "--name", "laptop"], {
        env: { FULCRUM_PASSPHRASE_FILE: pipe },
      })
      await setTimeout(READING_MS)
      waiting.kill("SIGTERM")
      expect(await waiting.finished).toMatchObject({ stdout: "", signal: "SIGTERM" })
    },
  )
})
