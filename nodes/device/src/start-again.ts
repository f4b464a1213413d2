/**
 * This process begins again in its own place, without anything that it had in memory: what JavaScript
 * let go of is not overwritten, but what a process had when another program takes its place is gone.
 *
 * @module
 */

/** Not on Windows. */
export function canStartAgain(): boolean {
  return process.execve !== undefined
}

/**
 * The same program under the same process id, with the same arguments and this one. Does not return, but
 * where the system cannot do that.
 */
export function startAgainWith(argument: string): void {
  const { execPath, execArgv, argv, env } = process
  const given = argv.slice(1)
  const more = given.includes(argument) ? [] : [argument]
  process.execve?.(execPath, [execPath, ...execArgv, ...given, ...more], env)
}
