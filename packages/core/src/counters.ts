/** A number that only grows; its name and unit stand in the stage's descriptor. */
export class Counter {
  value = 0;

  add(amount: number): void {
    this.value += amount;
  }
}
