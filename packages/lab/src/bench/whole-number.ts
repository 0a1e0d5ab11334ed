/** The value of a command line option that counts something; throws an error that names the option. */
export function wholeNumber(option: string, text: string, least = 1): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${option}: a whole number from ${least} is needed`);
  return value;
}
