package app.likeness.runtime

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.Test
import java.util.concurrent.CountDownLatch
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotSame
import kotlin.test.assertTrue

/** How a call of the core becomes a flow, without the core: numbers are progress, texts are not. */
class LongCallTest : RuntimeTest() {
    private class FakeCall(
        private val refusal: Throwable? = null,
        private val work: FakeCall.((Any) -> Unit) -> Unit,
    ) : LongCall<Any> {
        val log = ArrayList<String>()
        val interrupted = CountDownLatch(1)

        @Volatile
        var worker: Thread? = null

        override val name = "fake"

        override fun begin() {
            log += "begin"
            refusal?.let { throw it }
        }

        override fun work(post: (Any) -> Unit) {
            worker = Thread.currentThread()
            work.invoke(this, post)
        }

        override fun end() {
            log += "end"
        }

        override fun interrupt() {
            log += "interrupt"
            interrupted.countDown()
        }

        override fun isProgress(event: Any) = event is Int
    }

    @Test
    fun `a slow collector misses progress, and nothing else`() {
        repeat(50) {
            val posted = CountDownLatch(1)
            val call =
                FakeCall { post ->
                    for (i in 1..100) {
                        post(i)
                        if (i % 10 == 0) post("preview $i")
                    }
                    post(101)
                    posted.countDown()
                }
            val seen = ArrayList<Any>()
            runBlocking {
                longCallFlow { call }.collect {
                    posted.await() // while the first event is shown everything else happens
                    seen += it
                }
            }
            assertEquals((10..100 step 10).map { "preview $it" }, seen.filterIsInstance<String>())
            assertEquals(101, seen.last())
            val progress = seen.filterIsInstance<Int>()
            assertEquals(progress.sorted(), progress)
            assertTrue(progress.containsAll((10..100 step 10).toList()), "$progress") // each before its preview
            assertTrue(progress.size <= 12, "$progress") // those, the last, and the one that was shown at first
            assertEquals(listOf("begin", "end"), call.log)
        }
    }

    @Test
    fun `a fast collector misses nothing that it had time for`() {
        val taken = CountDownLatch(1)
        val call =
            FakeCall { post ->
                post(1)
                taken.await()
                post(2)
            }
        val seen = ArrayList<Any>()
        runBlocking {
            longCallFlow { call }.collect {
                seen += it
                taken.countDown()
            }
        }
        assertEquals(listOf<Any>(1, 2), seen)
    }

    @Test
    fun `it works on a thread of its own`() {
        val call = FakeCall { post -> post(1) }
        runBlocking {
            longCallFlow { call }.toList()
            assertNotSame(Thread.currentThread(), call.worker)
        }
        assertEquals("fake", call.worker!!.name)
    }

    @Test
    fun `its failure comes after its events`() {
        val seen = ArrayList<Any>()
        val call =
            FakeCall { post ->
                post(1)
                post("a")
                post(2)
                throw DiskFullException("full")
            }
        val error =
            assertFailsWith<DiskFullException> { runBlocking { longCallFlow { call }.collect { seen += it } } }
        assertEquals("full", error.message)
        assertEquals(listOf("a", 2), seen.takeLast(2))
        assertEquals(listOf("begin", "end"), call.log)
    }

    @Test
    fun `a call that refuses to begin is over`() {
        val call = FakeCall(BusyException("busy")) { error("it must not work") }
        assertFailsWith<BusyException> { runBlocking { longCallFlow { call }.toList() } }
        assertEquals(listOf("begin"), call.log)
    }

    @Test
    fun `a cancelled collector waits for the end`() {
        val call =
            FakeCall { post ->
                post(1)
                interrupted.await()
                Thread.sleep(100) // the checkpoint
                log += "checkpoint"
                throw WorkCancelledException("cancelled")
            }
        runBlocking {
            val started = CountDownLatch(1)
            val job = launch(Dispatchers.Default) { longCallFlow { call }.collect { started.countDown() } }
            started.await()
            job.cancelAndJoin()
        }
        assertEquals(listOf("begin", "interrupt", "checkpoint", "end"), call.log)
    }

    @Test
    fun `what else goes wrong while it is cancelled is not lost`() {
        val call =
            FakeCall { post ->
                post(1)
                interrupted.await()
                throw DiskFullException("full")
            }
        val thrown =
            runBlocking {
                async(Dispatchers.Default) {
                    runCatching { longCallFlow { call }.collect { throw CancellationException("mine") } }
                }.await().exceptionOrNull()
            }
        assertTrue(thrown is CancellationException)
        assertContains(thrown.suppressed.map { it.message }, "full")
    }

    @Test
    fun `taking a few ends it`() {
        val call =
            FakeCall { post ->
                post("a")
                post("b")
                interrupted.await()
            }
        assertEquals(listOf<Any>("a", "b"), runBlocking { longCallFlow { call }.take(2).toList() })
        assertEquals(listOf("begin", "interrupt", "end"), call.log)
    }

    @Test
    fun `a collector that is cancelled already begins nothing`() {
        var calls = 0
        runBlocking {
            val job =
                launch(Dispatchers.Default) {
                    try {
                        delay(Long.MAX_VALUE)
                    } finally {
                        longCallFlow<Any> { FakeCall { calls++ } }.collect {}
                    }
                }
            delay(50)
            job.cancelAndJoin()
        }
        assertEquals(0, calls)
    }
}
