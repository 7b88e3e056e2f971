-- Written in what SQLite and PostgreSQL have in common. Times are microseconds since 1970-01-01 UTC; amounts are in the
-- currency's minor unit.

CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    -- Whose orders the account's are. Begins with 'acct-', which no guest may.
    customer_id TEXT NOT NULL UNIQUE,
    -- In lower case.
    email TEXT NOT NULL UNIQUE,
    -- As a PHC string: the algorithm and its parameters, salt and hash.
    password_hash TEXT NOT NULL,
    -- 'customer' or 'admin'.
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE products (
    sku TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    unit_price BIGINT NOT NULL,
    currency TEXT NOT NULL
);

-- The archive: every order that the journal tells of, as it last was.
CREATE TABLE orders (
    id TEXT NOT NULL PRIMARY KEY,
    customer_id TEXT NOT NULL,
    status TEXT NOT NULL,
    -- A JSON array.
    items TEXT NOT NULL,
    total BIGINT NOT NULL,
    currency TEXT NOT NULL,
    placed_at BIGINT NOT NULL,
    settled_at BIGINT,
    payment_id TEXT,
    charge_id TEXT,
    reason TEXT,
    -- The journal entry that the row has seen, a stream id as two numbers. Rows only move forward.
    version_ms BIGINT NOT NULL,
    version_seq BIGINT NOT NULL
);

CREATE INDEX orders_of_a_customer ON orders (customer_id, placed_at, id);

-- How far the archive has read each partition of the journal.
CREATE TABLE archive_positions (
    partition INTEGER NOT NULL PRIMARY KEY,
    version_ms BIGINT NOT NULL,
    version_seq BIGINT NOT NULL
);
