/**
 * cojson's own storage on Node's own SQLite, with a log written ahead as Jazz has it: what is not in
 * the log's last checkpoint may be lost with the power, so whoever needs it durable flushes.
 *
 * @module
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { getSqliteStorage, type SQLiteDatabaseDriver, type StorageAPI } from "cojson"

export interface CojsonStorage {
  readonly option: { readonly storage: StorageAPI }
  /** All that it was given is on the disk then. */
  flush(): void
  close(): void
}

export function openCojsonStorage(path: string): CojsonStorage {
  const database = new DatabaseSync(path)
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
  return {
    option: { storage: getSqliteStorage(driverOf(database)) },
    flush: () => database.exec("PRAGMA wal_checkpoint(FULL)"),
    close: () => database.close(),
  }
}

function driverOf(database: DatabaseSync): SQLiteDatabaseDriver {
  const prepared = new Map<string, StatementSync>()
  const statementOf = (sql: string) => {
    const statement = prepared.get(sql) ?? database.prepare(sql)
    prepared.set(sql, statement)
    return statement
  }
  return {
    run: (sql, params) => void statementOf(sql).run(...params.map(inputOf)),
    // What a row holds is between cojson and its own SQL.
    get: <T>(sql: string, params: unknown[]) =>
      statementOf(sql).get(...params.map(inputOf)) as T | undefined,
    query: <T>(sql: string, params: unknown[]) =>
      statementOf(sql).all(...params.map(inputOf)) as T[],
    transaction: (work) => inTransaction(database, work),
    closeDb: () => database.close(),
  }
}

function inTransaction(database: DatabaseSync, work: () => unknown): void {
  database.exec("BEGIN")
  try {
    work()
    database.exec("COMMIT")
  } catch (error) {
    database.exec("ROLLBACK")
    throw error
  }
}

function inputOf(value: unknown): SQLInputValue {
  if (value === undefined || value === null) return null
  if (typeof value === "string" || typeof value === "number") return value
  throw new TypeError("cojson stores texts and numbers alone")
}
