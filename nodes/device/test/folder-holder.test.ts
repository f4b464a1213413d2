import { expect, test } from "vitest"
import { commandIn } from "../src/folder-holder.ts"

test.for([
  "/srv/fulcrum/nodes/device/src/main.ts",
  "/srv/fulcrum/node_modules/.cache/fulcrum/bundle/device.js",
])("the command that has a folder is told without what was given to it: %s", (program) => {
  const node = ["/opt/node", program]
  expect(commandIn([...node, "pair", "--yes", ""])).toBe("pair")
  expect(commandIn([...node, "--no-mdns", "pair"])).toBe("pair")
  expect(commandIn([...node, "--home", "up", "set", "card/name", "get"])).toBe("set")
  expect(commandIn([...node, "--home", "secret-place", "--json"])).toBeUndefined()
})

test("another program's words are nobody's command", () => {
  expect(commandIn(["/bin/backup", "up"])).toBeUndefined()
  expect(commandIn([""])).toBeUndefined()
})
