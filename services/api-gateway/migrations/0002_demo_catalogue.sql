-- What there is to order until somebody changes it. The sandbox's payment provider declines a million and more, so the
-- island shows what a declined payment looks like.
INSERT INTO products (sku, name, unit_price, currency) VALUES
    ('BOOK-1', 'Novel', 2490, 'EUR'),
    ('BOOK-2', 'Cookbook', 3900, 'EUR'),
    ('CHAIR-1', 'Office chair', 18900, 'EUR'),
    ('COFFEE-1', 'Coffee beans, 1 kg', 1250, 'EUR'),
    ('DESK-1', 'Standing desk', 49900, 'EUR'),
    ('ISLAND-1', 'Island', 100000000, 'EUR'),
    ('LAMP-1', 'Desk lamp', 5990, 'EUR'),
    ('LAPTOP-1', 'Laptop', 129900, 'EUR'),
    ('MUG-1', 'Mug', 990, 'EUR'),
    ('PEN-1', 'Pen', 120, 'EUR');
