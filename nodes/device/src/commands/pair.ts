/**
 * `fulcrum pair`: shows a code to type and one to scan, and adds whoever uses either once you have
 * compared the check words.
 *
 * With `--json`: `{"ready":true,"addresses":[…],"relays":[…],"code","uri","lanOnly","expiresAt"}`, then
 * `{"asking":{"words","name"}}`, then `{"device"}`, one a line.
 *
 * @module
 */
import { type CommandContext, confirm } from "../command.ts"
import { ProgramError } from "../program-error.ts"
import { qrLines } from "../qr-code.ts"
import { lines, tone } from "../text.ts"

export async function pair(context: CommandContext): Promise<undefined> {
  const { person, args, io, clock, signal, goOnline } = context
  let isDeclined = false
  await goOnline({ listen: true, at: args.texts("listen") })
  const relays = (await person.relays()).map(({ address }) => address)
  const paired = person.pair(
    {
      code({ code, uri, lanOnly, expiresAtMs, addresses }) {
        const seconds = Math.max(0, Math.round((expiresAtMs - clock.now()) / 1000))
        io.emit({
          document: {
            ready: true,
            addresses,
            relays,
            code,
            uri,
            lanOnly,
            expiresAt: new Date(expiresAtMs).toISOString(),
          },
          text: lines(
            "On the other device:\n",
            `  fulcrum join ${tone("strong", code)}\n`,
            `It works once, for ${seconds} seconds${lanOnly ? ", on this network only" : ""}.`,
            ...elsewhere(addresses, lanOnly ? [] : relays),
          ),
          drawing: {
            of: "a QR code for the same",
            lines: qrLines(uri),
            caption:
              "Scan it: all that it says, given to `fulcrum join`, is enough. Or type the code.\n",
          },
        })
      },
      async approve({ words, name }) {
        io.emit({
          document: { asking: { words, name } },
          text: `${tone("strong", name)} wants to join. Check words: ${tone("strong", words.join(" "))}`,
        })
        const asked = { words, name }
        const approved = await confirm(io, `Does ${name} show the same words? Add it?`, asked)
        isDeclined = !approved
        if (approved)
          io.progress(`Adding ${name}; if \`fulcrum join\` was ended there, run it again`)
        return approved
      },
      burned: () => io.note("The code that was shown before is used up; this is a new one."),
      resumed: (device) =>
        io.note(
          `Going on to add ${device}, which you approved before.\nIf it is to join no more, remove it (fulcrum devices revoke) and pair again.`,
        ),
      added: (device) =>
        io.tell({
          document: { device },
          text: `${tone("strong", device)} is one of your devices now.`,
        }),
    },
    signal,
  )
  try {
    await paired
    return undefined
  } catch (error) {
    if (!isDeclined) throw error
    throw new ProgramError(
      "PAIR_DECLINED",
      "the device was not added",
      "start again with a new code",
      {
        cause: error,
      },
    )
  }
}

/** What finds this device where the network does not show it. */
function elsewhere(addresses: readonly string[], relays: readonly string[]): readonly string[] {
  const options = [
    ...addresses.map((address) => `--at ${address}`),
    ...relays.map((address) => `--relay ${address}`),
  ]
  if (options.length === 0) return []
  const what = "If this device is not found, or from elsewhere, add one of these to the command:"
  return [what, ...options.map((one) => tone("quiet", `  ${one}`))]
}
