import fc from 'fast-check';
import { expect, it } from 'vitest';
import { agentTransitions, StateMachine, type AgentState } from '../../src/agent/state.js';

const states = Object.keys(agentTransitions) as AgentState[];

it('walks only edges of the table, whatever is asked', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...states)), (wishes) => {
      const seen: [AgentState, AgentState][] = [];
      const machine = new StateMachine((from, to) => seen.push([from, to]));
      for (const to of wishes) {
        const before = machine.state;
        if (agentTransitions[before].includes(to)) machine.go(to);
        else expect(() => machine.go(to)).toThrow(`The agent is ${before}; it cannot become ${to}.`);
      }
      for (const [from, to] of seen) expect(agentTransitions[from]).toContain(to);
    }),
  );
});

it('has two ends that nothing leaves, and reaches them from everywhere', () => {
  expect(states.filter((state) => agentTransitions[state].length === 0)).toEqual(['stopped', 'failed']);
  for (const state of states) {
    const reached = new Set<AgentState>([state]);
    for (const from of reached) for (const to of agentTransitions[from]) reached.add(to);
    expect(reached.has('stopped') || reached.has('failed')).toBe(true);
  }
});
