'use client';
import { useState } from 'react';

// A client component, so that the page needs its hashed chunks under /_next/static.
export default function Counter() {
  const [count, setCount] = useState(0);
  return <button onClick={() => setCount(count + 1)}>clicked {count}</button>;
}
