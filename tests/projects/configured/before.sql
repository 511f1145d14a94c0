CREATE TABLE kept_by_hand (id integer PRIMARY KEY);
