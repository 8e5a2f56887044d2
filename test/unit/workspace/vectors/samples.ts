// A small real source file in every language that has a grammar, with the definitions that chunks should respect.

export interface Sample {
  readonly path: string;
  readonly text: string;
  /** Beginnings of lines that should each open a chunk of their own. */
  readonly opens: readonly string[];
}

export const samples: readonly Sample[] = [
  {
    path: "bank/account.py",
    opens: [
      "@dataclass",
      "class Account:",
      "    @property",
      "    def deposit",
      "    def withdraw",
      "# Interest is paid",
      "def main",
    ],
    text: `"""Accounts and what can be done with them."""
import datetime
import decimal
from dataclasses import dataclass


@dataclass
class Entry:
    amount: decimal.Decimal
    when: datetime.date


class Account:
    """Holds entries."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.entries: list[Entry] = []

    @property
    def balance(self) -> decimal.Decimal:
        total = sum(entry.amount for entry in self.entries)
        return decimal.Decimal(total)

    def deposit(self, amount: decimal.Decimal) -> None:
        if amount <= 0:
            raise ValueError("a deposit must be positive")
        self.entries.append(Entry(amount, datetime.date.today()))

    def withdraw(self, amount: decimal.Decimal) -> None:
        if amount > self.balance:
            raise ValueError(f"{self.owner} has only {self.balance}")
        self.entries.append(Entry(-amount, datetime.date.today()))


# Interest is paid at the end of the year.
# It is rounded down.
def interest(account: Account, rate: decimal.Decimal) -> decimal.Decimal:
    earned = account.balance * rate
    return earned.quantize(decimal.Decimal("0.01"), decimal.ROUND_DOWN)


def main() -> None:
    account = Account("Ada")
    account.deposit(decimal.Decimal(10))
    print(interest(account, decimal.Decimal("0.02")))
`,
  },
  {
    path: "web/queue.ts",
    opens: [
      "/** A job",
      "export class Queue",
      "  /** Adds",
      "  async run",
      "export function createQueue",
      "export const defaults",
    ],
    text: `import { setTimeout } from "node:timers/promises";
import type { Logger } from "./logger";
import { logged } from "./logged";

/** A job to be done. */
export interface Job {
  readonly id: string;
  run(signal: AbortSignal): Promise<void>;
}

export class Queue {
  private readonly jobs: Job[] = [];
  private running = false;

  constructor(private readonly logger: Logger) {}

  /** Adds a job; it waits for its turn. */
  @logged
  add(job: Job): void {
    this.jobs.push(job);
    this.logger.debug(\`queued \${job.id}\`);
  }

  async run(signal: AbortSignal): Promise<void> {
    this.running = true;
    for (const job of this.jobs.splice(0)) {
      await job.run(signal);
      await setTimeout(10);
    }
    this.running = false;
  }
}

export function createQueue(logger: Logger, jobs: Iterable<Job> = []): Queue {
  const queue = new Queue(logger);
  for (const job of jobs) queue.add(job);
  return queue;
}

export const defaults = {
  retries: 3,
  delay: 100,
  limit: 8,
} as const;
`,
  },
  {
    path: "web/list.tsx",
    opens: ["export interface ListProps", "export function List", "function Row"],
    text: `import { useMemo, useState } from "react";
import { sortBy } from "./sort";
import type { Item } from "./item";

export interface ListProps {
  items: readonly Item[];
  onSelect: (item: Item) => void;
  empty?: string;
}

export function List({ items, onSelect, empty }: ListProps) {
  const [query, setQuery] = useState("");
  const shown = useMemo(() => sortBy(items, query), [items, query]);
  if (shown.length === 0) return <p>{empty ?? "Nothing here"}</p>;
  return (
    <ul>
      <input value={query} onChange={(event) => setQuery(event.target.value)} />
      {shown.map((item) => <Row key={item.id} item={item} onClick={() => onSelect(item)} />)}
    </ul>
  );
}

function Row({ item, onClick }: { item: Item; onClick: () => void }) {
  const label = item.title.trim() || "untitled";
  return <li onClick={onClick}>{label}</li>;
}
`,
  },
  {
    path: "lib/cache.mjs",
    opens: ["export class Cache", "  get(", "  set(", "export function memoize"],
    text: `import { performance } from "node:perf_hooks";
import { seconds as second } from "./units.mjs";

const limit = 100;

export class Cache {
  #entries = new Map();
  hits = 0;

  get(key) {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.until < performance.now()) return undefined;
    this.hits += 1;
    return entry.value;
  }

  set(key, value, seconds = 60) {
    if (this.#entries.size >= limit) this.#entries.delete(this.#entries.keys().next().value);
    this.#entries.set(key, { value, until: performance.now() + seconds * 1000 });
    return value;
  }
}

export function memoize(compute) {
  const cache = new Cache();
  return (key) => {
    const known = cache.get(key);
    return known === undefined ? cache.set(key, compute(key)) : known;
  };
}
`,
  },
  {
    path: "src/main/java/shop/Cart.java",
    opens: ["public class Cart", "    public Cart(", "    /**", "    @Override"],
    text: `package shop;

import java.util.ArrayList;
import java.util.List;

public class Cart {
    private final List<Line> lines = new ArrayList<>();
    private final String owner;

    public Cart(String owner) {
        if (owner == null) {
            throw new IllegalArgumentException("owner");
        }
        this.owner = owner;
    }

    /**
     * Sum of all lines, in cents.
     */
    public long total() {
        long total = 0;
        for (Line line : lines) {
            total += line.price() * line.quantity();
        }
        return total;
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(owner);
        lines.forEach(line -> text.append('\\n').append(line));
        return text.toString();
    }

    record Line(String name, long price, int quantity) {
    }
}
`,
  },
  {
    path: "server/handler.go",
    opens: ["// Handler", "// ServeHTTP", "func (h *Handler) reply", "func NewHandler"],
    text: `package server

import (
	"encoding/json"
	"net/http"
)

// Handler answers requests for one resource.
type Handler struct {
	store  Store
	logger Logger
}

// ServeHTTP reads or writes the resource.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		h.reply(w, h.store.Get(r.URL.Path))
	default:
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func (h *Handler) reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		h.logger.Printf("encode: %v", err)
	}
}

func NewHandler(store Store, logger Logger) *Handler {
	if logger == nil {
		logger = discard{}
	}
	return &Handler{store: store, logger: logger}
}
`,
  },
  {
    path: "src/parser.rs",
    opens: ["/// A token", "pub struct Parser", "impl<'a> Parser", "    /// The next", "#[cfg(test)]"],
    text: `use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;

/// A token of the language.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Number(f64),
    Name(String),
    Symbol(char),
}

pub struct Parser<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Self {
        let chars = text.chars().peekable();
        Parser { chars, line: 1 }
    }

    /// The next token, or nothing at the end.
    pub fn next_token(&mut self) -> Option<Token> {
        while let Some(c) = self.chars.next_if(|c| c.is_whitespace()) {
            if c == '\\n' {
                self.line += 1;
            }
        }
        self.chars.next().map(Token::Symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_symbol() {
        let mut parser = Parser::new(" +");
        assert_eq!(parser.next_token(), Some(Token::Symbol('+')));
    }
}
`,
  },
  {
    path: "Shop/Inventory.cs",
    opens: ["namespace Shop", "        public int Available", "        /// <summary>", "    public record Item"],
    text: `using System;
using System.Collections.Generic;
using System.Linq;

namespace Shop
{
    public sealed class Inventory
    {
        private readonly Dictionary<string, int> stock = new();
        private readonly ILogger logger;

        public int Available
        {
            get { return stock.Values.Sum(); }
        }

        /// <summary>Takes copies out.</summary>
        [Obsolete("use Reserve")]
        public bool Take(string name, int count)
        {
            if (!stock.TryGetValue(name, out var there) || there < count)
            {
                logger.Warn($"not enough {name}");
                return false;
            }
            stock[name] = there - count;
            return true;
        }
    }

    public record Item(
        string Name,
        decimal Price,
        int Count);
}
`,
  },
  {
    path: "src/matrix.cpp",
    opens: ["namespace algebra", "  double& at", "template <typename", "Matrix multiply"],
    text: `#include <cstddef>
#include <stdexcept>
#include <vector>

namespace algebra {

// A dense matrix, row by row.
class Matrix {
 public:
  Matrix(std::size_t rows, std::size_t columns) : rows_(rows), columns_(columns), values_(rows * columns) {}

  double& at(std::size_t row, std::size_t column) {
    if (row >= rows_ || column >= columns_) {
      throw std::out_of_range("Matrix::at");
    }
    return values_[row * columns_ + column];
  }

 private:
  std::size_t rows_;
  std::size_t columns_;
  std::vector<double> values_;
};

template <typename Visit>
void for_each(Matrix& matrix, Visit visit) {
  for (std::size_t row = 0; row < matrix.rows(); ++row) {
    visit(matrix, row);
  }
}

Matrix multiply(const Matrix& a, const Matrix& b) {
  Matrix product(a.rows(), b.columns());
  for_each(product, [&](Matrix& m, std::size_t row) { fill(m, row, a, b); });
  return product;
}

}  // namespace algebra
`,
  },
  {
    path: "include/ring.h",
    opens: ["struct ring {", "/* Takes", "static inline int ring_push"],
    text: `#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

#define RING_SIZE 64

struct ring {
    uint8_t data[RING_SIZE];
    size_t head;
    size_t tail;
};

/* Takes the oldest byte; -1 when there is none. */
static inline int ring_pop(struct ring *ring)
{
    if (ring->head == ring->tail)
        return -1;
    return ring->data[ring->tail++ % RING_SIZE];
}

static inline int ring_push(struct ring *ring, uint8_t byte)
{
    if (ring->head - ring->tail == RING_SIZE)
        return -1;
    ring->data[ring->head++ % RING_SIZE] = byte;
    return 0;
}

#endif
`,
  },
  {
    path: "app/models/invoice.rb",
    opens: ["module Billing", "    # Sum of", "    def pay!", "  class Overpaid"],
    text: `require "date"
require "bigdecimal"
require_relative "record"

module Billing
  class Invoice < Record
    attr_reader :lines, :due
    validates :due, presence: true

    # Sum of all lines with tax.
    def total
      net = lines.sum(&:amount)
      net + net * tax_rate
    end

    def pay!(amount, on: Date.today)
      raise Overpaid, "only #{total} is due" if amount > total

      payments << Payment.new(amount, on)
      touch(:paid_at) if payments.sum(&:amount) == total
    end
  end

  class Overpaid < StandardError
    def initialize(message = "overpaid")
      super(message)
    end
  end
end
`,
  },
  {
    path: "src/Router.php",
    opens: ["final class Router", "    /** Registers", "    public function dispatch", "function route_name"],
    text: `<?php

declare(strict_types=1);

namespace App\\Http;

use App\\Exceptions\\NotFound;

final class Router
{
    private array $routes = [];
    private ?string $prefix = null;

    /** Registers a handler. */
    public function add(string $method, string $path, callable $handler): void
    {
        $this->routes[$method][$this->prefix . $path] = $handler;
        ksort($this->routes[$method]);
    }

    public function dispatch(string $method, string $path): mixed
    {
        $handler = $this->routes[$method][$path] ?? null;
        if ($handler === null) {
            throw new NotFound("no route for $method $path");
        }
        return $handler();
    }
}

function route_name(string $path): string
{
    $parts = array_filter(explode('/', $path));
    return implode('.', $parts);
}
`,
  },
];
