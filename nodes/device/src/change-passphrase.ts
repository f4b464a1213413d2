/**
 * `fulcrum passphrase`: another passphrase for the key of this folder.
 *
 * @module
 */
import type { Outcome } from "./command.ts"
import { changePassphrase } from "./device-key.ts"
import type { FolderContext } from "./folder-command.ts"
import { machineParts, passphrasesFrom } from "./machine.ts"
import { requireKeyKeeper } from "./open-device.ts"
import { ProgramError } from "./program-error.ts"
import { lines } from "./text.ts"

/** The file with the new one, where there is no terminal. */
const NEW_FILE = "FULCRUM_NEW_PASSPHRASE_FILE"

export async function changeOwnPassphrase({ home, io, mdns }: FolderContext): Promise<Outcome> {
  await requireKeyKeeper(home)
  const note = (text: string): void => io.note(text)
  const { keepers } = machineParts({ home, mdns, note })
  const given = passphrasesFrom(process.env[NEW_FILE], note)
  const source = {
    ...given,
    read: async () => {
      const passphrase = await given.read("new")
      if (passphrase !== undefined) return passphrase
      throw new ProgramError(
        "PASSPHRASE_NEEDED",
        "there is no terminal to ask for the new passphrase",
        `name a file with ${NEW_FILE}`,
      )
    },
  }
  await changePassphrase(home.keyFile, keepers, source)
  return {
    document: { changed: true },
    text: lines(
      "This device has another passphrase now.",
      "A copy of its folder from before opens as it did then: delete what you do not need.",
    ),
  }
}
