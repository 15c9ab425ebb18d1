import type { Model, ModelStatic } from 'sequelize';

/** A row as Sequelize hands it out, and the class it comes from. */
export type Stored<Row extends object> = Model<Row, Partial<Row>> & Row;
export type Table<Row extends object> = ModelStatic<Stored<Row>>;
