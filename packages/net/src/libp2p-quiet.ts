/**
 * A logger for libp2p that says nothing.
 *
 * libp2p makes several loggers for each connection and stream; its own ask each time whether
 * standard error is a terminal, which is a twentieth of what a handshake costs.
 *
 * @module
 */
import type { ComponentLogger, Logger } from "@libp2p/interface"

const nothing = (): void => undefined
const quiet: Logger = Object.assign(nothing, {
  error: nothing,
  trace: nothing,
  enabled: false,
  newScope: () => quiet,
})

export const quietLogger: ComponentLogger = { forComponent: () => quiet }
