/**
 * Counters and gauges under fixed names, in Prometheus' text format. No label holds anything that
 * a client chose: methods and codes come from fixed lists.
 *
 * @module
 */

const COUNTERS = {
  connections_total: "Connections accepted.",
  connections_refused_total: "Connections refused because too many were open.",
  items_appended_total: "Items stored.",
  bytes_appended_total: "Bytes of items stored.",
  items_repeated_total: "Items that were already stored.",
  items_read_total: "Items handed out.",
  bytes_read_total: "Bytes of items handed out.",
  items_acknowledged_total: "Items removed because every reader had acknowledged them.",
  items_expired_total: "Items removed because their retention was over.",
  items_replaced_total: "Items removed because a merged span replaced them.",
  mailboxes_created_total: "Mailboxes created.",
  meetings_total: "Meetings begun.",
  faults_total: "Connections ended by a fault of the relay itself.",
} as const

export type CounterName = keyof typeof COUNTERS

const GAUGES = {
  connections: "Connections open.",
  mailboxes: "Mailboxes held.",
  items: "Items held.",
  bytes: "Bytes of items held.",
} as const

export type GaugeName = keyof typeof GAUGES

/** Upper bounds of the flush histogram's buckets, in seconds. */
const FLUSH_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

export interface RelayMetrics {
  count(name: CounterName, by?: number): void
  gauge(name: GaugeName, value: number): void
  /** One answered request; `outcome` is `ok` or an error code. */
  request(method: string, outcome: string): void
  flushed(seconds: number): void
  value(name: CounterName | GaugeName): number
  /** Text format 0.0.4. */
  render(): string
}

export function createMetrics(): RelayMetrics {
  const values = new Map<string, number>()
  const requests = new Map<string, number>()
  const flushes = FLUSH_BUCKETS.map(() => 0)
  let flushCount = 0
  let flushSeconds = 0

  return {
    count(name, by = 1) {
      values.set(name, (values.get(name) ?? 0) + by)
    },
    gauge(name, value) {
      values.set(name, value)
    },
    request(method, outcome) {
      const labels = `method="${method}",outcome="${outcome}"`
      requests.set(labels, (requests.get(labels) ?? 0) + 1)
    },
    flushed(seconds) {
      flushCount++
      flushSeconds += seconds
      for (const [i, bound] of FLUSH_BUCKETS.entries()) {
        if (seconds <= bound) flushes[i] = (flushes[i] ?? 0) + 1
      }
    },
    value(name) {
      return values.get(name) ?? 0
    },
    render() {
      const lines: string[] = []
      const head = (name: string, kind: string, help: string): void => {
        lines.push(`# HELP fulcrum_relay_${name} ${help}`, `# TYPE fulcrum_relay_${name} ${kind}`)
      }
      for (const [name, help] of Object.entries(COUNTERS)) {
        head(name, "counter", help)
        lines.push(`fulcrum_relay_${name} ${values.get(name) ?? 0}`)
      }
      for (const [name, help] of Object.entries(GAUGES)) {
        head(name, "gauge", help)
        lines.push(`fulcrum_relay_${name} ${values.get(name) ?? 0}`)
      }
      head("requests_total", "counter", "Requests answered, by method and outcome.")
      for (const [labels, value] of [...requests].sort()) {
        lines.push(`fulcrum_relay_requests_total{${labels}} ${value}`)
      }
      head("flush_seconds", "histogram", "Time from a change to its being on disk.")
      for (const [i, bound] of FLUSH_BUCKETS.entries()) {
        lines.push(`fulcrum_relay_flush_seconds_bucket{le="${bound}"} ${flushes[i] ?? 0}`)
      }
      lines.push(
        `fulcrum_relay_flush_seconds_bucket{le="+Inf"} ${flushCount}`,
        `fulcrum_relay_flush_seconds_sum ${flushSeconds}`,
        `fulcrum_relay_flush_seconds_count ${flushCount}`,
      )
      return `${lines.join("\n")}\n`
    },
  }
}
