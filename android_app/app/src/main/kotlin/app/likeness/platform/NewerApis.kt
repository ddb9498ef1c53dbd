package app.likeness.platform

import android.app.Notification
import android.app.NotificationManager
import android.app.Service
import android.content.Context
import android.content.Intent
import android.os.Build
import android.os.PowerManager
import java.lang.reflect.InvocationTargetException

/**
 * The calls that are newer than the API stubs this app is compiled against (level 23, the newest that can be had
 * without Google's SDK). They are reached by name, here and nowhere else; all are public API of the level that is
 * named.
 */
object NewerApis {
    /** `ServiceInfo.FOREGROUND_SERVICE_TYPE_DATA_SYNC`, level 29. */
    const val TYPE_DATA_SYNC = 1

    /** `ServiceInfo.FOREGROUND_SERVICE_TYPE_MEDIA_PROCESSING`, level 35. */
    const val TYPE_MEDIA_PROCESSING = 1 shl 13

    /** `Build.VERSION_CODES` of Android 10, 13 and 15. */
    const val Q = 29
    const val TIRAMISU = 33
    const val VANILLA_ICE_CREAM = 35

    /** `NotificationManager.IMPORTANCE_LOW` and `_DEFAULT`, level 26. */
    const val IMPORTANCE_LOW = 2
    const val IMPORTANCE_DEFAULT = 3

    /** Level 26. */
    fun createChannel(manager: NotificationManager, id: String, name: String, importance: Int) = passing {
        val type = Class.forName("android.app.NotificationChannel")
        val channel = type.getConstructor(String::class.java, CharSequence::class.java, Int::class.java)
            .newInstance(id, name, importance)
        NotificationManager::class.java.getMethod("createNotificationChannel", type).invoke(manager, channel)
        Unit
    }

    /** Level 26. */
    fun notification(context: Context, channel: String): Notification.Builder = passing {
        Notification.Builder::class.java.getConstructor(Context::class.java, String::class.java)
            .newInstance(context, channel)
    }

    /** Level 26. Throws IllegalStateException where the app is in the background and may not. */
    fun startForegroundService(context: Context, intent: Intent) = passing {
        Context::class.java.getMethod("startForegroundService", Intent::class.java).invoke(context, intent)
        Unit
    }

    /**
     * Level 29; before, services have no types. Throws IllegalStateException where the app may not, now or with this
     * type: in the background, or after the day's six hours.
     */
    fun startForeground(service: Service, id: Int, notification: Notification, type: Int) {
        if (Build.VERSION.SDK_INT < Q) return service.startForeground(id, notification)
        passing {
            val parameters = arrayOf(Int::class.java, Notification::class.java, Int::class.java)
            Service::class.java.getMethod("startForeground", *parameters).invoke(service, id, notification, type)
        }
    }

    /** `PowerManager.THERMAL_STATUS_*`, 0 to 6; level 29. 0 before: phones did not say. */
    fun thermalStatus(power: PowerManager): Int {
        if (Build.VERSION.SDK_INT < Q) return 0
        return passing { PowerManager::class.java.getMethod("getCurrentThermalStatus").invoke(power) as Int }
    }

    /** What is thrown is what the method threw, not that reflection met it. */
    private fun <T> passing(call: () -> T): T = try {
        call()
    } catch (error: InvocationTargetException) {
        throw error.targetException
    }
}

/**
 * `Service.onTimeout` of level 35. A service that has this interface overrides both, whatever it is compiled against:
 * Android finds the method by its name and parameters.
 */
interface TimeLimited {
    /** The day's time for foreground services of [fgsType] is over; the service has seconds to stop. */
    fun onTimeout(startId: Int, fgsType: Int)
}
