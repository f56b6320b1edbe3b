// A table whose rows can be put in order by each column: by its heading's button, once more for the other way. kRows rows are shown.
import { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

const kRows = 500;

export interface Column<Row> {
  name: string;
  // What rows are ordered by.
  by: (row: Row) => string | number | null;
  // What is shown where that is not it.
  show?: (row: Row) => ComponentChildren;
  title?: (row: Row) => string;
  mono?: boolean;
}

// Nothing comes last in either order.
function compare(a: string | number | null, b: string | number | null, way: number): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const numbers = typeof a === "number" && typeof b === "number";
  return way * (numbers ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
}

export function Table<Row>({ rows, columns, key_of, testid }: { rows: Row[]; columns: Column<Row>[]; key_of: (row: Row) => string; testid: string }) {
  const [order, set_order] = useState<{ column: number; way: 1 | -1 }>({ column: 0, way: 1 });
  if (!rows.length) return <p class="dim">None.</p>;
  const { by } = columns[order.column]!;
  const sorted = [...rows].sort((a, b) => compare(by(a), by(b), order.way) || (key_of(a) < key_of(b) ? -1 : 1));
  return (
    <>
      <table data-testid={testid}>
        <thead>
          <tr>
            {columns.map((column, i) => (
              <th key={column.name} scope="col" aria-sort={i !== order.column ? "none" : order.way > 0 ? "ascending" : "descending"}>
                <button class="link" onClick={() => set_order({ column: i, way: i === order.column && order.way > 0 ? -1 : 1 })}>
                  {column.name}
                  {i === order.column ? (order.way > 0 ? " ▴" : " ▾") : ""}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, kRows).map((row) => (
            <tr key={key_of(row)} data-key={key_of(row)}>
              {columns.map((column) => {
                const value = column.by(row);
                return (
                  <td key={column.name} class={`${typeof value === "number" ? "num" : ""} ${column.mono ? "mono" : ""}`} title={column.title?.(row)}>
                    {column.show ? column.show(row) : (value ?? "–")}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > kRows && <p class="dim">and {rows.length - kRows} more</p>}
    </>
  );
}
